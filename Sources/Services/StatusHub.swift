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
    var watched: [Int64: Watched] = [:]
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

  /// What is to be said, and to whom.
  private enum Delivery {
    /// To a stream of its own; `message` nil: it has it already.
    case first(LatestStream<DatasetStatus>, News, message: EncodedMessage?, endsSnapshot: Bool)
    case join(LatestTopic<DatasetStatus>, LatestStream<DatasetStatus>)
    case all(LatestTopic<DatasetStatus>, News, message: EncodedMessage)
    case finish(LatestTopic<DatasetStatus>, LatestStream<DatasetStatus>)
  }

  private struct News {
    var key: String
    var seq: UInt64
  }

  /// One dataset and who watches it.
  private struct Watched {
    let topic = LatestTopic<DatasetStatus>()
    /// The newest record that everyone in `told` was told of.
    var lastSeq: Int64 = -1
    /// Who has not been told anything yet.
    var waiting: [UInt64: Watcher] = [:]
    /// Who hears of news by the topic.
    var told: [UInt64: Watcher] = [:]

    var count: Int { waiting.count + told.count }
  }

  private struct Watcher {
    var stream: LatestStream<DatasetStatus>
    var follow: Bool
    /// What the client has.
    var known: Int64
    /// The stream has begun a snapshot: the first record it is told is the whole of it, whoever read that record.
    var inSnapshot: Bool
  }

  /// How many streams are open of one dataset.
  func watchers(of pk: Int64) -> Int { state.withLock { $0.watched[pk]?.count ?? 0 } }

  init(registry: DatasetRegistry, mapping: RecordMapping) {
    self.registry = registry
    self.mapping = mapping
  }

  /// How many streams are open.
  public var watcherCount: Int { state.withLock { $0.watched.values.reduce(0) { $0 + $1.count } } }

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
      state.watched[pk, default: Watched()].waiting[id] = Watcher(
        stream: stream, follow: follow, known: known, inSnapshot: known < 0 && resume != nil)
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
        try await changed(state.withLock { $0.watched.keys.filter { !asked.contains($0) } }, upTo: changes.upTo)
        return ChangeFeed.Seen(upTo: changes.upTo, isAll: true)
      },
      telling: ChangeFeed.Telling(channel: ToldRecord.channel) { [self] seq, text in
        guard let told = ToldRecord(text) else { return false }
        // Whoever watches from now on reads the record after its commit.
        if state.withLock({ $0.watched[told.pk] != nil }) {
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
      state.asked = state.watched.count <= Self.few ? Set(state.watched.keys) : nil
      return state.asked.map(Array.init)
    }
  }
  /// Most datasets whose records are read with the change itself.
  static let few = 32

  /// Takes a batch of the change feed.
  public func changed(_ subjects: [Int64], upTo last: Int64) async throws {
    let watched = state.withLock { state in
      state.last = max(state.last, last)
      return subjects.filter { state.watched[$0] != nil }
    }
    guard !watched.isEmpty else { return }
    for record in try await registry.records(pks: watched).values { deliver(record, only: nil) }
  }

  private var lastChange: Int64 { state.withLock { $0.last } }

  /// Two records of one dataset may be read at once (a new watcher's, the feed's): what a stream is told is decided and
  /// queued under the lock, so that it hears of them in the order of their numbers. A watcher's first record is its own; from
  /// then on it hears what all hear.
  private func deliver(_ record: DatasetRecord, only id: UInt64?) {
    let message = mapping.statusMessage(record, now: Clock.microseconds())
    let news = News(key: "\(record.key)", seq: UInt64(clamping: record.statusSeq))
    state.withLock { state in
      // Taken out while it changes: thousands of entries are not copied for one.
      guard var watched = state.watched.removeValue(forKey: record.pk) else { return }
      if id == nil { tellAll(record, news, message, &watched, &state.outbox) }
      for entry in id.map({ [$0] }) ?? Array(watched.waiting.keys) {
        guard let watcher = watched.waiting[entry] else { continue }
        let send = record.statusSeq > watcher.known
        let ends = ends(watcher, with: record, after: max(watcher.known, watched.lastSeq))
        // What the client has already may be old: its own read says how things are.
        guard send || ends || id == entry else { continue }
        watched.waiting[entry] = nil
        state.outbox.append(
          .first(watcher.stream, news, message: send ? message : nil, endsSnapshot: watcher.inSnapshot))
        // Also one that ends: what the topic has already been told may be newer.
        state.outbox.append(.join(watched.topic, watcher.stream))
        if ends {
          state.outbox.append(.finish(watched.topic, watcher.stream))
        } else {
          watched.told[entry] = watcher
        }
      }
      if watched.count > 0 { state.watched[record.pk] = watched }
    }
    handOut()
  }

  private func tellAll(
    _ record: DatasetRecord, _ news: News, _ message: EncodedMessage, _ watched: inout Watched,
    _ outbox: inout [Delivery]
  ) {
    let isNews = record.statusSeq > watched.lastSeq
    if isNews, !watched.told.isEmpty { outbox.append(.all(watched.topic, news, message: message)) }
    if !record.isBusy {
      for (entry, watcher) in watched.told where ends(watcher, with: record, after: watched.lastSeq) {
        outbox.append(.finish(watched.topic, watcher.stream))
        watched.told[entry] = nil
      }
    }
    watched.lastSeq = max(watched.lastSeq, record.statusSeq)
  }

  /// A record older than what the stream was told says nothing of how things are now.
  private func ends(_ watcher: Watcher, with record: DatasetRecord, after known: Int64) -> Bool {
    !record.isBusy && record.statusSeq >= known && (!watcher.follow || record.state == .purged)
  }

  /// Outside the lock: a stream that ends calls back into `forget`. One thread at a time; another's deliveries go with its.
  private func handOut() {
    var next = take(isFirst: true)
    while !next.isEmpty {
      for delivery in next {
        switch delivery {
        case .first(let stream, let news, let message, let endsSnapshot):
          if let message { stream.send(key: news.key, seq: news.seq, message: message) }
          if endsSnapshot { stream.bookmark(safeSeq: news.seq) }
        case .join(let topic, let stream): topic.add(stream)
        case .all(let topic, let news, let message): topic.publish(key: news.key, seq: news.seq, message: message)
        case .finish(let topic, let stream): topic.finish(stream)
        }
      }
      next = take(isFirst: false)
    }
  }

  /// What waits to be handed out; nothing while another thread does it.
  private func take(isFirst: Bool) -> [Delivery] {
    state.withLock { state in
      guard !(isFirst && state.delivering) else { return [] }
      state.delivering = !state.outbox.isEmpty
      defer { state.outbox = [] }
      return state.outbox
    }
  }

  private func forget(_ pk: Int64, _ id: UInt64) {
    state.withLock { state in
      guard var watched = state.watched.removeValue(forKey: pk) else { return }
      watched.waiting[id] = nil
      watched.told[id] = nil
      if watched.count > 0 { state.watched[pk] = watched }
    }
  }
}
