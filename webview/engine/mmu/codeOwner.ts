/** What the MMU asks of whoever keeps decoded code. */
export interface CodeOwner {
  /** Forgets the code of a frame, if there is any. May be called while guest code runs. */
  drop(frame: number): void;
  /** As `drop`, for a store of `size` bytes that guest code makes: what it doesn't touch may stay. */
  overwritten(frame: number, offset: number, size: number): void;
}
