internal import CoreMachine
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
    /// What the statement under way asks for; nil: for all that changed.
    var asked: Set<Int64>? = []
    /// What is decided and not yet handed to its stream, in order.
    var outbox: [Delivery] = []
    /// Whether a thread is handing out.
    var delivering = false
  }

  /// What one stream is told of one record.
  private struct Delivery {
    var stream: LatestStream<DatasetStatus>
    var key: String
    var seq: UInt64
    /// Nil: the stream has it already.
    var message: EncodedMessage?
    var endsSnapshot: Bool
    var finishes: Bool
  }

  private struct Watcher {
    var stream: LatestStream<DatasetStatus>
    var follow: Bool
    var lastSeq: Int64
    /// The stream has begun a snapshot: the first record it is told is the whole of it, whoever read that record.
    var inSnapshot: Bool
  }

  /// How many streams are open of one dataset.
  func watchers(of pk: Int64) -> Int { state.withLock { $0.watchers[pk]?.count ?? 0 } }

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
      state.watchers[pk, default: [:]][id] = Watcher(
        stream: stream, follow: follow, lastSeq: known, inSnapshot: known < 0 && resume != nil)
      return id
    }
    stream.onEnd { [weak self] _ in self?.forget(pk, id) }
    // Read again: a change between the caller's read and the entry above would be nobody's.
    let current = try await registry.records(pks: [pk])[pk] ?? record
    deliver(current, only: id)
  }

  /// Follows the change feed until cancelled. A change that comes with its record is handed out at once. Others are read:
  /// where few datasets are watched, the records that changed among them are read with the change itself; else which
  /// subjects changed is read first, and then the records of those that are watched.
  func follow(_ feed: ChangeFeed) async {
    await feed.follow(
      reading: { [self] after in
        let few = askForFew()
        return few.map { ChangedRecords.statement(among: $0, after: after) } ?? ChangeFeed.subjects(after: after)
      },
      take: { [self] rows, after in
        guard let asked = state.withLock({ $0.asked }) else {
          let changes = try ChangeFeed.changes(rows)
          guard let newest = changes.last?.seq else { return nil }
          // Many records are not decoded on the database's thread.
          try await withTaskExecutorPreference(globalConcurrentExecutor) {
            try await changed(changes.map(\.subject), upTo: newest)
          }
          return ChangeFeed.Seen(upTo: newest, isAll: changes.count < ChangeFeed.batch)
        }
        let changes = try ChangedRecords(rows)
        guard changes.upTo > after else { return nil }
        for record in changes.records { deliver(record, only: nil) }
        // Of one that is watched since the statement was made, a change may have come between the watcher's own read of the
        // record and the statement's snapshot.
        try await changed(state.withLock { $0.watchers.keys.filter { !asked.contains($0) } }, upTo: changes.upTo)
        return ChangeFeed.Seen(upTo: changes.upTo, isAll: true)
      },
      telling: ChangeFeed.Telling(channel: ToldRecord.channel) { [self] seq, text in
        guard let told = ToldRecord(text) else { return false }
        // Whoever watches from now on reads the record after its commit.
        if state.withLock({ $0.watchers[told.pk] != nil }) {
          guard let record = try? told.record() else { return false }
          deliver(record, only: nil)
        }
        state.withLock { $0.last = max($0.last, seq) }
        return true
      })
  }

  /// Row keys of what is watched, remembered as what the next rows are about; nil: too many.
  private func askForFew() -> [Int64]? {
    state.withLock { state in
      state.asked = state.watchers.count <= Self.few ? Set(state.watchers.keys) : nil
      return state.asked.map(Array.init)
    }
  }
  /// Most datasets whose records are read with the change itself.
  static let few = 32

  /// Takes a batch of the change feed.
  public func changed(_ subjects: [Int64], upTo last: Int64) async throws {
    let watched = state.withLock { state in
      state.last = max(state.last, last)
      return subjects.filter { state.watchers[$0] != nil }
    }
    guard !watched.isEmpty else { return }
    for record in try await registry.records(pks: watched).values { deliver(record, only: nil) }
  }

  private var lastChange: Int64 { state.withLock { $0.last } }

  /// Two records of one dataset may be read at once (a new watcher's, the feed's): what a stream is told is decided and
  /// queued under the lock, so that it hears of them in the order of their numbers.
  private func deliver(_ record: DatasetRecord, only id: UInt64?) {
    let ended = !record.isBusy
    let key = "\(record.key)"
    let message = mapping.statusMessage(record, now: Clock.microseconds())
    let seq = UInt64(clamping: record.statusSeq)
    state.withLock { state in
      guard var entries = state.watchers[record.pk] else { return }
      for (entry, watcher) in entries where id == nil || id == entry {
        let send = record.statusSeq > watcher.lastSeq
        // A record older than what the stream was told says nothing of how things are now.
        let finish = ended && record.statusSeq >= watcher.lastSeq && (!watcher.follow || record.state == .purged)
        guard send || finish else { continue }
        state.outbox.append(
          Delivery(
            stream: watcher.stream, key: key, seq: seq, message: send ? message : nil,
            endsSnapshot: watcher.inSnapshot, finishes: finish))
        if finish {
          entries[entry] = nil
        } else {
          entries[entry]?.lastSeq = max(watcher.lastSeq, record.statusSeq)
          entries[entry]?.inSnapshot = false
        }
      }
      state.watchers[record.pk] = entries.isEmpty ? nil : entries
    }
    handOut()
  }

  /// Outside the lock: a stream that ends calls back into `forget`. One thread at a time; another's deliveries go with its.
  private func handOut() {
    var next = state.withLock { state -> Delivery? in
      guard !state.delivering, !state.outbox.isEmpty else { return nil }
      state.delivering = true
      return state.outbox.removeFirst()
    }
    while let delivery = next {
      if let message = delivery.message {
        delivery.stream.send(key: delivery.key, seq: delivery.seq, message: message)
      }
      if delivery.endsSnapshot { delivery.stream.bookmark(safeSeq: delivery.seq) }
      if delivery.finishes { delivery.stream.finish() }
      next = state.withLock { state in
        state.delivering = !state.outbox.isEmpty
        return state.outbox.isEmpty ? nil : state.outbox.removeFirst()
      }
    }
  }

  private func forget(_ pk: Int64, _ id: UInt64) {
    state.withLock { state in
      state.watchers[pk]?[id] = nil
      if state.watchers[pk]?.isEmpty == true { state.watchers[pk] = nil }
    }
  }
}
