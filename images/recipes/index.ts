import type { Recipe } from '../recipe.ts';
import { base } from './base.ts';

/** All recipes by name. */
export const recipes: Readonly<Record<string, Recipe>> = { base };
