/// From where a watch goes on: `EPOCH:SEQ`, as `--after` takes it.
public struct WatchPosition: Sendable, Equatable, CustomStringConvertible {
  public var epoch: UInt64
  /// The highest safe_seq seen in `epoch`.
  public var seq: UInt64

  public init(epoch: UInt64, seq: UInt64) {
    self.epoch = epoch
    self.seq = seq
  }

  public init(_ text: String) throws(CommandLineError) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, let epoch = UInt64(parts[0]), let seq = UInt64(parts[1]) else {
      throw CommandLineError(
        .badRequest, "INVALID_ARGUMENT", "\"\(TerminalText.sanitised(text))\" is not a position to watch from.",
        remedy: "Give --after EPOCH:SEQ, two numbers: epoch and safe_seq of the last line that `watch --json` printed.")
    }
    self.init(epoch: epoch, seq: seq)
  }

  public var description: String { "\(epoch):\(seq)" }
}
