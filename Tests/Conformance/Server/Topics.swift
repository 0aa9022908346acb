import ConformanceMessages
import FramedRPC
import Synchronization

/// A source in memory, with places and their epoch.
struct Topic {
  /// Changes kept for streams that resume.
  private static let history = 1_000

  let epoch: UInt64
  private(set) var seq: UInt64 = 0
  /// Places up to here are forgotten.
  private var forgotten: UInt64 = 0
  private var log: [(seq: UInt64, value: Value)] = []
  private var newest: [String: (seq: UInt64, value: Value)] = [:]
  private var watchers: [Ended<LatestStream<Value>>] = []
  private var queues: [Ended<QueueStream<Value>>] = []

  init(epoch: UInt64) { self.epoch = epoch }

  var open: Int { watchers.count + queues.count }

  mutating func publish(_ value: Value) {
    seq += 1
    log.append((seq, value))
    if log.count > Self.history { forget(log[0].seq) }
    newest[value.key] = (seq, value)
    let message = EncodedMessage(value)
    for watcher in watchers { watcher.stream.send(key: value.key, seq: seq, message: message, removed: value.removed) }
    for queue in queues { queue.stream.send(message, seq: seq) }
  }

  mutating func forget(_ upTo: UInt64) {
    forgotten = max(forgotten, upTo)
    log.removeAll { $0.seq <= forgotten }
  }

  mutating func finish() {
    for watcher in watchers { watcher.stream.finish() }
    for queue in queues { queue.stream.finish() }
  }

  /// Forgets streams that are over.
  mutating func prune() {
    watchers.removeAll { $0.isOver }
    queues.removeAll { $0.isOver }
  }

  mutating func add(_ stream: LatestStream<Value>, resume: Resume?) {
    stream.begin(epoch: epoch)
    if let resume, resume.epoch == epoch, resume.afterSeq <= seq, resume.afterSeq >= forgotten {
      for (key, entry) in newest.sorted(by: { $0.value.seq < $1.value.seq }) where entry.seq > resume.afterSeq {
        stream.send(key: key, seq: entry.seq, message: EncodedMessage(entry.value), removed: entry.value.removed)
      }
      stream.bookmark(safeSeq: seq)
    } else {
      snapshot(stream)
    }
    watchers.append(Ended(stream) { stream.onEnd($0) })
  }

  func snapshot(_ stream: LatestStream<Value>) {
    stream.beginSnapshot()
    for (key, entry) in newest where !entry.value.removed {
      stream.send(key: key, seq: entry.seq, message: EncodedMessage(entry.value))
    }
    stream.bookmark(safeSeq: seq)
  }

  mutating func add(_ stream: QueueStream<Value>, resume: Resume?, cancelled: Bool) throws(RPCError) {
    stream.begin(epoch: epoch)
    if let resume {
      guard resume.epoch == epoch, resume.afterSeq <= seq, resume.afterSeq >= forgotten else {
        throw RPCError(.outOfRange, "the oldest place is \(forgotten) of epoch \(epoch)", resumeSeq: forgotten)
      }
      for entry in log where entry.seq > resume.afterSeq { stream.send(entry.value, seq: entry.seq) }
    }
    queues.append(Ended(stream) { stream.onEnd($0) })
  }
}

/// A stream, and whether it is over.
final class Ended<Stream: Sendable>: Sendable {
  let stream: Stream
  private let over = Atomic(false)

  init(_ stream: Stream, _ subscribe: (@escaping @Sendable (StreamEnd) -> Void) -> Void) {
    self.stream = stream
    subscribe { [weak self] _ in self?.over.store(true, ordering: .releasing) }
  }

  var isOver: Bool { over.load(ordering: .acquiring) }
}

final class Topics: Sendable {
  private let epoch = UInt64.random(in: 1...1_000_000)
  private let topics = Mutex<[String: Topic]>([:])

  func withTopic<Result, Failure: Error>(
    _ name: String, _ body: (inout Topic) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try topics.withLock { topics throws(Failure) in try body(&topics[name, default: Topic(epoch: epoch)]) }
  }
}
