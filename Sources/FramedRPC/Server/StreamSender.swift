internal import FramedCore

/// The untyped end behind ``LatestStream``, ``QueueStream`` and ``BlockStream``.
final class StreamSender: Sendable {
  let call: ServerCall

  init(call: ServerCall) {
    self.call = call
  }

  func begin(epoch: UInt64) { call.stream { $0.begin($1, epoch: epoch) } }
  func beginSnapshot() { call.stream { $0.beginSnapshot($1) } }
  func send(key: String, seq: UInt64, bytes: [UInt8], removed: Bool) {
    call.stream { $0.offer($1, key: key, seq: seq, bytes: bytes, removed: removed) }
  }
  func bookmark(safeSeq: UInt64) { call.stream { $0.bookmark($1, safeSeq: safeSeq) } }
  func push(_ bytes: [UInt8], seq: UInt64?) { call.stream { _ = $0.push($1, seq: seq, bytes: bytes) } }
  func pushAndWait(_ bytes: [UInt8], seq: UInt64?) async throws(RPCError) {
    try await call.pushAndWait(bytes, seq: seq)
  }
  func finish() { call.stream { $0.finishStream($1) } }
  func fail(_ error: RPCError) {
    let status = error.endStatus
    call.stream { $0.finish($1, .status(status)) }
  }
  func onEnd(_ action: @escaping @Sendable (StreamEnd) -> Void) { call.onEnd(action) }
  func onSnapshotNeeded(_ action: @escaping @Sendable () -> Void) { call.onSnapshotNeeded(action) }
}
