/**
 * `npm run bench`: what the VM costs beside native, after `npm run build`. Here live the benchmarks: the suite (the same 61 programs on every
 * engine), single figures, and the hosts that a VM is run in for them. Tests live elsewhere.
 */
import { runFigures } from './figures.ts';
import { parseSuite, runSuite, suiteUsage } from './suite.ts';

const args = process.argv.slice(2);
const options = parseSuite(args);
try {
  if (args[0] === 'figures') await runFigures(args.slice(1));
  else if (args[0] === '--help') console.log(suiteUsage);
  else if (options) await runSuite(options);
  else {
    console.error(suiteUsage);
    process.exitCode = 2;
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
