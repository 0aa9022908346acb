import Synchronization

/// Commits rows from many tasks together. There is no timer: what waited while the previous commit flew goes next, so a lone
/// row leaves at once and a crowd shares one fsync.
///
/// When a batch fails, its rows are run one by one, each in a transaction of its own, so that one bad row fails alone. When
/// the connection is lost all rows of the batch get that error (``PostgresError/Kind/commitOutcomeUnknown`` if COMMIT was under
/// way). A row that was taken is not cancellable.
public final class GroupCommit<Row: Sendable, Output: Sendable>: BatchSource {
  /// Runs the statements for some rows and returns one result a row, in the rows' order. A `.failure` is handed to that row
  /// alone; the transaction is committed all the same. Throwing rolls back and makes the rows run one by one. It runs on the
  /// database thread: encode, but do not compute at length.
  public typealias Perform =
    @Sendable (_ transaction: PostgresTransaction, _ rows: [Row]) async throws -> [Result<Output, any Error>]

  public struct Limits: Sendable {
    /// Rows in one transaction.
    public var batchRows: Int
    /// Rows and bytes that may wait; beyond either, `submit` throws ``PostgresError/Kind/overloaded``.
    public var waitingRows: Int
    public var waitingBytes: Int

    public init(batchRows: Int = 256, waitingRows: Int = 4096, waitingBytes: Int = 16 << 20) {
      self.batchRows = batchRows
      self.waitingRows = waitingRows
      self.waitingBytes = waitingBytes
    }
  }

  /// What has happened so far.
  public struct Counts: Sendable, Equatable {
    public var rows = 0
    public var batches = 0
    /// Batches whose rows had to be run one by one.
    public var split = 0
    public var refused = 0
  }

  private let lanes: CommitLanes
  private let limits: Limits
  private let options: TransactionOptions
  private let size: @Sendable (Row) -> Int
  private let areInOrder: (@Sendable (Row, Row) -> Bool)?
  private let perform: Perform
  private let inbox = Mutex(Inbox())

  private struct Entry: Sendable {
    let row: Row
    let size: Int
    let continuation: CheckedContinuation<Output, any Error>
  }
  private enum Handover { case announce, joined, refused }
  private struct Inbox {
    var entries: [Entry] = []
    var bytes = 0
    /// The lanes know that something waits.
    var announced = false
    var counts = Counts()
  }

  /// - Parameters:
  ///   - size: bytes that a waiting row holds in memory.
  ///   - areInOrder: sorts the rows of a batch, by key, so that two batches cannot lock the same rows in opposite orders.
  ///   - failPoints: see ``TransactionOptions/failPoints``.
  public init(
    lanes: CommitLanes, limits: Limits = Limits(), failPoints: String? = nil,
    size: @escaping @Sendable (Row) -> Int = { _ in MemoryLayout<Row>.stride },
    areInOrder: (@Sendable (Row, Row) -> Bool)? = nil, perform: @escaping Perform
  ) {
    self.lanes = lanes
    self.limits = limits
    self.size = size
    self.areInOrder = areInOrder
    self.perform = perform
    options = TransactionOptions(failPoints: failPoints)
  }

  /// Hands in a row and waits until it is committed.
  public func submit(_ row: Row) async throws -> Output {
    let size = size(row)
    return try await withCheckedThrowingContinuation { continuation in
      let outcome = inbox.withLock { inbox -> Handover in
        guard inbox.entries.count < limits.waitingRows, inbox.bytes + size <= limits.waitingBytes else {
          inbox.counts.refused += 1
          return .refused
        }
        inbox.entries.append(Entry(row: row, size: size, continuation: continuation))
        inbox.bytes += size
        defer { inbox.announced = true }
        return inbox.announced ? .joined : .announce
      }
      switch outcome {
      case .joined: break
      case .refused:
        continuation.resume(throwing: PostgresError(.overloaded, "too many rows wait to be committed"))
      case .announce:
        lanes.thread.perform { [lanes] in lanes.scheduler.assumeIsolated { $0.wake(self) } }
      }
    }
  }

  public var counts: Counts { inbox.withLock { $0.counts } }

  // MARK: BatchSource

  var hasWaitingRows: Bool { inbox.withLock { $0.announced } }

  func takeBatch() -> (any Batch)? {
    let taken = inbox.withLock { inbox -> [Entry] in
      let taken: [Entry]
      if inbox.entries.count <= limits.batchRows {
        taken = inbox.entries
        inbox.entries = []
      } else {
        taken = Array(inbox.entries[..<limits.batchRows])
        inbox.entries.removeFirst(limits.batchRows)
      }
      for entry in taken { inbox.bytes -= entry.size }
      // With nothing left the lanes forget this source: the next row announces it again, and may find a lane free.
      inbox.announced = !inbox.entries.isEmpty
      if !taken.isEmpty { inbox.counts.batches += 1 }
      inbox.counts.rows += taken.count
      return taken
    }
    guard !taken.isEmpty else { return nil }
    guard let areInOrder else { return RowBatch(source: self, entries: taken) }
    return RowBatch(source: self, entries: taken.sorted { areInOrder($0.row, $1.row) })
  }

  func refuseAll(_ error: PostgresError) {
    let refused = inbox.withLock { inbox -> [Entry] in
      let refused = inbox.entries
      inbox.entries = []
      inbox.bytes = 0
      inbox.announced = false
      return refused
    }
    for entry in refused { entry.continuation.resume(throwing: error) }
  }

  private struct RowBatch: Batch {
    let source: GroupCommit
    let entries: [Entry]

    func refuse(_ error: PostgresError) {
      for entry in entries { entry.continuation.resume(throwing: error) }
    }

    func run(on connection: PostgresConnection) async -> @Sendable () -> Void {
      let outputs = await source.outputs(of: entries, on: connection)
      return {
        for (entry, output) in zip(entries, outputs) { entry.continuation.resume(with: output) }
      }
    }
  }

  private func outputs(
    of entries: [Entry], on connection: PostgresConnection
  ) async -> [Result<Output, any Error>] {
    do {
      return try await commit(entries, on: connection)
    } catch {
      if entries.count == 1 { return [.failure(error)] }
      if let error = error as? PostgresError, error.isConnectionFailure || !connection.isOpen {
        return entries.map { _ in .failure(error) }
      }
    }
    inbox.withLock { $0.counts.split += 1 }
    var outputs: [Result<Output, any Error>] = []
    outputs.reserveCapacity(entries.count)
    for entry in entries {
      do {
        outputs += try await commit([entry], on: connection)
      } catch {
        outputs.append(.failure(error))
      }
    }
    return outputs
  }

  private func commit(_ entries: [Entry], on connection: PostgresConnection) async throws -> [Result<Output, any Error>]
  {
    try await connection.transaction(options) { transaction in
      let outputs = try await perform(transaction, entries.map(\.row))
      guard outputs.count == entries.count else {
        throw PostgresError(.protocolMisuse, "\(outputs.count) results for \(entries.count) rows")
      }
      return outputs
    }
  }
}
