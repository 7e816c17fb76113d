import { expect, test } from 'vitest';
import { parseOptions } from './options.ts';

test('options end at the command or at --', () => {
  expect(parseOptions(['--user', 'root', 'ls', '--color']).command).toEqual(['ls', '--color']);
  expect(parseOptions(['--memory=256', '--', '--odd']).command).toEqual(['--odd']);
  expect(parseOptions([])).toMatchObject({ disk: 'base', user: 'user', memory: 1024, command: [] });
});

test('values come behind = or as the next argument, and some options repeat', () => {
  const options = parseOptions(['--mount', '.:/mnt:ro', '--mount=/a b:/c', '--env', 'A=b=c', '--strace', 'true']);
  expect(options.mounts).toEqual([{ host: '.', guest: '/mnt', readOnly: true }, { host: '/a b', guest: '/c', readOnly: false }]);
  expect(options.environment).toEqual({ A: 'b=c' });
  expect(options.strace).toBe('');
  expect(options.command).toEqual(['true']);
});

test.each([['--nope'], ['--memory', '7'], ['--mount', 'x'], ['--env', 'x'], ['--user'], ['--engine', 'fast']])('%s is refused', (...args) => {
  expect(() => parseOptions(args)).toThrow();
});
