/// Cuts a byte stream into lines without their newline, refusing a line over the limit before it is held whole.
public struct LineAssembler: Sendable {
  private let limit: Int
  private var partial: [UInt8] = []

  /// - Parameter limit: longest line in bytes, its newline included.
  public init(limit: Int = TaskProtocolLimits.reportLine) { self.limit = limit }

  /// Takes what was read and returns the lines it completes. Empty lines are left out.
  public mutating func append(_ bytes: some Sequence<UInt8>) throws(TaskProtocolError) -> [[UInt8]] {
    var lines: [[UInt8]] = []
    for byte in bytes {
      if byte == 0x0A {
        if !partial.isEmpty { lines.append(partial) }
        partial.removeAll(keepingCapacity: true)
      } else {
        guard partial.count + 1 < limit else { throw .lineTooLong(limit: limit) }
        partial.append(byte)
      }
    }
    return lines
  }

  /// Bytes of a line that has not ended yet.
  public var pending: Int { partial.count }
}
