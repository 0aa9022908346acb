internal import Datasets
internal import FramedMessages
internal import FramedRPC
internal import Synchronization
internal import TerraneMessages

/// Hands every change of a dataset's outward status to those who watch it: the record is read once a change, encoded once,
/// and shared. A watcher is a table entry, not a task.
public final class StatusHub: Sendable {
  private let registry: DatasetRegistry
  private let mapping: RecordMapping
  private let state = Mutex(State())

  private struct State {
    var watchers: [Int64: [UInt64: Watcher]] = [:]
    var nextID: UInt64 = 1
    /// The highest change number that was handed out.
    var last: Int64 = 0
  }

  private struct Watcher {
    var stream: LatestStream<DatasetStatus>
    var follow: Bool
    var lastSeq: Int64
  }

  init(registry: DatasetRegistry, mapping: RecordMapping) {
    self.registry = registry
    self.mapping = mapping
  }

  /// How many streams are open.
  public var watcherCount: Int { state.withLock { $0.watchers.values.reduce(0) { $0 + $1.count } } }

  /// Opens a watch. The newest status goes first, unless the caller resumes from it.
  func watch(_ record: DatasetRecord, follow: Bool, resume: Resume?, on stream: LatestStream<DatasetStatus>)
    async throws
  {
    stream.begin(epoch: mapping.epoch)
    let known: Int64
    if let resume, resume.epoch == mapping.epoch, Int64(clamping: resume.afterSeq) <= max(record.statusSeq, lastChange)
    {
      known = Int64(clamping: resume.afterSeq)
    } else {
      known = -1
      if resume != nil { stream.beginSnapshot() }
    }
    let pk = record.pk
    let id = state.withLock { state in
      let id = state.nextID
      state.nextID += 1
      state.watchers[pk, default: [:]][id] = Watcher(stream: stream, follow: follow, lastSeq: known)
      return id
    }
    stream.onEnd { [weak self] _ in self?.forget(pk, id) }
    // Read again: a change between the caller's read and the entry above would be nobody's.
    let current = try await registry.records(pks: [pk])[pk] ?? record
    deliver(current, only: id)
    if known < 0, resume != nil { stream.bookmark(safeSeq: UInt64(clamping: current.statusSeq)) }
  }

  /// Takes a batch of the change feed.
  public func changed(_ subjects: [Int64], upTo last: Int64) async throws {
    let watched = state.withLock { state in
      state.last = max(state.last, last)
      return subjects.filter { state.watchers[$0] != nil }
    }
    guard !watched.isEmpty else { return }
    for record in try await registry.records(pks: watched).values { deliver(record, only: nil) }
  }

  /// The feed's history is another one now: nobody's place in it means anything any more.
  public func historyChanged() {
    let all = state.withLock { state in
      defer { state.watchers = [:] }
      return state.watchers.values.flatMap(\.values)
    }
    for watcher in all {
      watcher.stream.fail(RPCError(.unavailable, "the history of changes is another one; watch again"))
    }
  }

  private var lastChange: Int64 { state.withLock { $0.last } }

  private func deliver(_ record: DatasetRecord, only id: UInt64?) {
    let ended = !record.isBusy
    let targets = state.withLock { state -> [(Watcher, send: Bool)] in
      guard var entries = state.watchers[record.pk] else { return [] }
      var targets: [(Watcher, send: Bool)] = []
      for (entry, watcher) in entries where id == nil || id == entry {
        let send = record.statusSeq > watcher.lastSeq
        let finish = ended && (!watcher.follow || record.state == .purged)
        guard send || finish else { continue }
        targets.append((watcher, send))
        if finish {
          entries[entry] = nil
        } else {
          entries[entry]?.lastSeq = record.statusSeq
        }
      }
      state.watchers[record.pk] = entries.isEmpty ? nil : entries
      return targets
    }
    guard !targets.isEmpty else { return }
    let message = EncodedMessage(mapping.status(record, now: Clock.microseconds()))
    for (watcher, send) in targets {
      if send { watcher.stream.send(key: "\(record.key)", seq: UInt64(clamping: record.statusSeq), message: message) }
      if ended, !watcher.follow || record.state == .purged { watcher.stream.finish() }
    }
  }

  private func forget(_ pk: Int64, _ id: UInt64) {
    state.withLock { state in
      state.watchers[pk]?[id] = nil
      if state.watchers[pk]?.isEmpty == true { state.watchers[pk] = nil }
    }
  }
}
