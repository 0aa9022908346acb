/// The untyped end behind ``LatestStream``.
final class LatestSender: Sendable {
  func begin(epoch: UInt64) {}
  func beginSnapshot() {}
  func send(key: String, seq: UInt64, bytes: [UInt8], removed: Bool) {}
  func bookmark(safeSeq: UInt64) {}
  func finish() {}
  func fail(_ error: RPCError) {}
  func onEnd(_ action: @escaping @Sendable (StreamEnd) -> Void) {}
  func onSnapshotNeeded(_ action: @escaping @Sendable () -> Void) {}
}
