/** Where a task is, as the scheduler sees it. */
export const TaskState = { runnable: 0, running: 1, sleeping: 2, dead: 3 } as const;
export type TaskState = (typeof TaskState)[keyof typeof TaskState];
