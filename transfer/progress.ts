/** How far a transfer is; whoever shows it looks when it wants to. */
export class Progress {
  /** Files that are through. */
  files = 0;
  /** Bytes of content that are through. */
  bytes = 0;
  /** The file under way; empty before the first. */
  name = "";
  size = 0;
  done = 0;
  /** Bytes of payload on the wire, both ways, those of broken attempts too. */
  sent = 0;
  /** What there is in all, as far as is known. */
  total: { readonly files: number; readonly bytes: number } | undefined;

  begin(name: string, size: number): void {
    this.name = name;
    this.size = size;
    this.done = 0;
  }

  advance(bytes: number): void {
    this.done += bytes;
    this.bytes += bytes;
  }

  /** Everything begins anew; what was sent stays sent. */
  restart(): void {
    this.files = 0;
    this.bytes = 0;
    this.done = 0;
  }

  /** The file under way came to nothing. */
  undo(): void {
    this.bytes -= this.done;
    this.done = 0;
  }
}
