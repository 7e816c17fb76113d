/** Where the page cache keeps pages: the machine's physical frames (4096 bytes, reference-counted), handed in by the composition root. */
export interface FrameStore {
  /** A zeroed frame with one reference, or 0 when memory is out. */
  allocate(): number;
  allocateDirty(): number;
  retain(frame: number): void;
  release(frame: number): void;
  references(frame: number): number;
  /** All of physical memory; frame n starts at n * 4096. */
  readonly bytes: Uint8Array;
  /** Says that a frame's bytes were changed, so that code decoded from it is dropped. */
  written(frame: number): void;
  readonly free: number;
  readonly total: number;
}
