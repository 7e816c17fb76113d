/** Types of build.mjs for the tests that build a part of the extension. */
import type { BuildOptions } from 'esbuild';

export type BundleName = 'node' | 'web' | 'page' | 'worker' | 'headless';
export function buildInto(dist: string, names?: readonly BundleName[], change?: { readonly [name in BundleName]?: BuildOptions }): Promise<void>;
export function bringImage(dist: string, image?: string): void;
