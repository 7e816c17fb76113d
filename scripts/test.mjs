// `npm test`: sets up all that the tests need, runs every check, and closes with the line "N passed, N failed".
// `npm test -- NAME...` runs only the steps of that name: types, layers, unit, programs, e2e.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { debianPackages, ensureDebianPackages, ensureNodePackages, fail, root } from './setup.mjs';

const chosen = process.argv.slice(2);
ensureNodePackages();
const needsRoot = process.getuid?.() !== 0 && (chosen.length === 0 || chosen.some(name => ['programs', 'e2e'].includes(name)));
const advice = 'The steps programs and e2e need root, for the disk image and for chroot; without it: npm test -- types layers unit';
ensureDebianPackages([...new Set([...debianPackages.tests, ...debianPackages.image])], needsRoot ? `\n${advice}` : '');
if (needsRoot) fail(advice);
mkdirSync(join(root, 'build'), { recursive: true });

const totals = { passed: 0, failed: 0 };

function run(command, args) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, FORCE_COLOR: undefined, NO_COLOR: '1' } }).status === 0;
}

/** A check that counts as one test. */
function check(name, command, ...args) {
  const ok = run(command, args);
  totals[ok ? 'passed' : 'failed']++;
  console.log(`${ok ? 'ok' : 'FAILED'}: ${name}`);
  return ok;
}

/** A vitest project: each of its tests counts. A run that ends without a report, or with an error outside of its tests, is a failure. */
function vitest(project) {
  const report = join(root, `build/test-${project}.json`);
  rmSync(report, { force: true });
  const ok = run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]);
  let result = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  try {
    result = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    console.log(`FAILED: ${project}: no report`);
  }
  const skipped = result.numPendingTests + result.numTodoTests;
  if (skipped > 0) console.log(`FAILED: ${project}: ${skipped} tests were skipped`);
  totals.passed += result.numPassedTests;
  totals.failed += result.numFailedTests + skipped + (!ok && result.numFailedTests === 0 ? 1 : 0);
}

let prepared;

/** The disk image, then everything that runs, which takes the image along: once for all steps that need it. */
function prepare() {
  prepared ??= check('disk image', process.execPath, 'scripts/ts.mjs', 'images/build.ts') && check('build', process.execPath, 'scripts/build.mjs');
  return prepared;
}

const steps = {
  types: () => check('type check', process.execPath, 'node_modules/typescript/bin/tsc', '-b'),
  layers: () => check('layers', process.execPath, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs', '--config', '.dependency-cruiser.cjs', 'src', 'webview', 'images', 'test'),
  unit: () => vitest('unit'),
  programs: () => { if (prepare()) vitest('programs'); },
  e2e: () => { if (prepare()) vitest('e2e'); },
};

for (const [name, step] of Object.entries(steps)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  console.log(`\n== ${name}`);
  step();
}
console.log(`\n${totals.passed} passed, ${totals.failed} failed`);
process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1;
