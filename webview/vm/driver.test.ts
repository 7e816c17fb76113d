import { expect, test } from 'vitest';
import { Driver, type Driven } from './driver.ts';

function driven(answers: ('more' | number)[]): Driven & { slices: number } {
  return {
    slices: 0,
    runSlice() {
      this.slices++;
      return answers.shift() ?? Infinity;
    },
  };
}

test('slices follow each other while there is work, then nothing happens', async () => {
  const machine = driven(['more', 'more', Infinity]);
  const driver = new Driver(machine, () => {});
  driver.wake();
  driver.wake();
  await new Promise(resolve => setTimeout(resolve, 30));
  expect(machine.slices).toBe(3);
  driver.wake();
  await new Promise(resolve => setTimeout(resolve, 30));
  expect(machine.slices).toBe(4);
});

test('a deadline wakes it, and a stop keeps it asleep', async () => {
  const machine = driven([5e6, 60e9]);
  const driver = new Driver(machine, () => {});
  driver.wake();
  await new Promise(resolve => setTimeout(resolve, 50));
  expect(machine.slices).toBe(2);
  driver.stop();
  driver.wake();
  await new Promise(resolve => setTimeout(resolve, 20));
  expect(machine.slices).toBe(2);
});

test('an exception is reported once and ends it', async () => {
  const errors: unknown[] = [];
  const driver = new Driver({ runSlice() { throw new Error('broken'); } }, error => errors.push(error));
  driver.wake();
  await new Promise(resolve => setTimeout(resolve, 20));
  driver.wake();
  await new Promise(resolve => setTimeout(resolve, 20));
  expect(errors).toHaveLength(1);
});
