/** Where a task is, as the scheduler sees it. */
export const TaskState = { runnable: 0, running: 1, sleeping: 2, dead: 3 } as const;
export type TaskState = (typeof TaskState)[keyof typeof TaskState];

/** ERESTARTSYS: a handler's answer for a call that a signal interrupted and that is made again when SA_RESTART says so; -EINTR is final. */
export const restartSystemCall = -512;
