import { expect, test } from 'vitest';
import { findUser } from './users.ts';

const passwd = 'root:x:0:0:root:/root:/bin/bash\nuser:x:1000:1001:,,,:/home/user:/bin/bash\nbroken:x\n';
const group = 'root:x:0:\nsudo:x:27:user,other\nuser:x:1001:\naudio:x:29:user\n';

test('a user has groups from both files', () => {
  expect(findUser('user', passwd, group)).toEqual({ name: 'user', uid: 1000, gid: 1001, groups: [1001, 27, 29], home: '/home/user', shell: '/bin/bash' });
});

test('unknown names and damaged lines give no user', () => {
  expect(findUser('nobody', passwd, group)).toBeUndefined();
  expect(findUser('broken', passwd, group)).toBeUndefined();
});
