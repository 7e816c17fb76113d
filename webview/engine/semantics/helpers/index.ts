/** helpers/: wasm functions that descriptions call for what is too large to be written inline. A new file of them is one line here. */
import type { HelperDefinitions } from '../contract.ts';
import { merge } from '../merge.ts';
import { bitHelpers } from './bits.ts';
import { compareStringsHelper } from './compareStrings.ts';
import { cpuidHelper } from './cpuid.ts';
import { cryptoHelpers } from './crypto.ts';
import { fxsaveHelpers } from './fxsave.ts';
import { roundingHelpers } from './rounding.ts';
import { softFloatHelpers } from './softFloat.ts';
import { stringHelpers } from './strings.ts';
import { wide } from './wide.ts';
import { x87ArithmeticHelpers } from './x87Arithmetic.ts';
import { x87DecimalHelpers } from './x87Decimal.ts';
import { x87EnvironmentHelpers } from './x87Environment.ts';
import { x87ExactHelpers } from './x87Exact.ts';
import { x87LogarithmHelpers } from './x87Logarithm.ts';
import { x87RoundingHelpers } from './x87Rounding.ts';
import { x87StateHelpers } from './x87State.ts';
import { x87TrigonometryHelpers } from './x87Trigonometry.ts';
import { x87WideHelpers } from './x87Wide.ts';

/** By name. */
export const helpers: HelperDefinitions = merge({
  bitHelpers, compareStringsHelper, cpuidHelper, cryptoHelpers, fxsaveHelpers, roundingHelpers, softFloatHelpers, stringHelpers, wide, x87ArithmeticHelpers, x87DecimalHelpers, x87EnvironmentHelpers, x87ExactHelpers, x87LogarithmHelpers, x87RoundingHelpers, x87StateHelpers,
  x87TrigonometryHelpers, x87WideHelpers,
});
