internal import Geospatial
internal import Glibc
internal import JobTypes
internal import Synchronization
internal import TaskProtocol

/// The loads of all tables of a source: one after the other, or two at a time where that pays.
///
/// One COPY leaves part of a second processor idle, so two tables beside each other take 0.6 of the time
/// (docs/benchmarks.md). Each thread opens the source and the database for itself and takes the next table until there is
/// none; the first error ends both.
final class TableLoads: Sendable {
  private struct State {
    var next = 0
    /// By table: rows read, warnings, and what became of it.
    var rows: [Int64]
    var tallies: [WarningTally]
    var loaded: [IngestedLayer?]
    /// The error of the first table, in the request's order, that failed by itself.
    var failure: (table: Int, error: any Error)?
  }

  /// The other thread failed.
  private struct Stopped: Error {}

  private let source: VectorSource
  private let parameters: IngestVectorParameters
  private let schema: String
  private let database: TaskDatabase
  private let context: TaskContext
  private let order: [Int]
  private let state: Mutex<State>
  let isParallel: Bool

  init(
    source: VectorSource, parameters: IngestVectorParameters, schema: String, database: TaskDatabase,
    context: TaskContext
  ) {
    self.source = source
    self.parameters = parameters
    self.schema = schema
    self.database = database
    self.context = context
    let tables = parameters.layers
    state = Mutex(
      State(
        rows: Array(repeating: 0, count: tables.count),
        tallies: Array(repeating: WarningTally(), count: tables.count),
        loaded: Array(repeating: nil, count: tables.count)))
    let total = tables.reduce(0) { $0 + $1.layer.featureCount }
    isParallel = tables.count > 1 && total >= LayerLoad.manyRows && source.format.readsTwiceCheaply
    // The largest first: what is left at the end, when one thread has nothing to do any more, is small.
    order =
      isParallel
      ? tables.indices.sorted { (tables[$1].layer.featureCount, $0) < (tables[$0].layer.featureCount, $1) }
      : Array(tables.indices)
  }

  /// Loads every table; the result is in the request's order.
  ///
  /// - Parameter connection: used for the loads of this thread.
  func run(_ connection: DatabaseConnection) throws -> [IngestedLayer] {
    let second = isParallel ? Thread { self.work(nil) } : nil
    work(connection)
    second?.join()
    let (failure, loaded) = state.withLock { ($0.failure, $0.loaded) }
    reportWarnings()
    if let failure { throw failure.error }
    return loaded.compactMap { $0 }
  }

  private func work(_ given: DatabaseConnection?) {
    var table = 0
    do {
      let dataset = try VectorDataset(
        source, options: VectorReadOptions(crs: parameters.crs, encoding: parameters.encoding, csv: parameters.csv))
      // A layer of several families is wanted once for each.
      let names = parameters.layers.reduce(into: [String]()) { names, wanted in
        if !names.contains(wanted.layer.name) { names.append(wanted.layer.name) }
      }
      let layers = Dictionary(uniqueKeysWithValues: try dataset.layers(named: names).map { ($0.name, $0) })
      let connection = try given ?? DatabaseConnection(database) { try self.alive() }
      while let next = take() {
        table = next
        let wanted = parameters.layers[table]
        guard let layer = layers[wanted.layer.name] else {
          throw ProblemReport(.parametersInvalid, "The source has no layer \(wanted.layer.name).")
        }
        let load = LayerLoad(
          layer: layer, wanted: wanted, parameters: parameters, schema: schema, connection: connection,
          beside: isParallel ? nil : database, progress: TableProgress(loads: self, table: table))
        var warnings = WarningTally()
        let loaded = try load.run(&warnings)
        report(table, warnings)
        state.withLock { $0.loaded[table] = loaded }
      }
    } catch is Stopped {
    } catch {
      state.withLock { state in
        // A cancel is seen by both threads and says nothing of a table.
        if state.failure == nil || state.failure?.error is TaskCancelled || table < state.failure!.table,
          !(error is TaskCancelled && state.failure != nil)
        {
          state.failure = (table, error)
        }
      }
    }
  }

  private func take() -> Int? {
    state.withLock { state in
      guard state.failure == nil, state.next < order.count else { return nil }
      defer { state.next += 1 }
      return order[state.next]
    }
  }

  // MARK: What the loads say meanwhile

  /// Throws when there is no sense in going on.
  fileprivate func alive() throws {
    try context.reporter.alive()
    if isParallel, state.withLock({ $0.failure != nil }) { throw Stopped() }
  }

  fileprivate func read(_ table: Int, _ rows: Int64) throws {
    let layer = parameters.layers[table].layer
    guard isParallel else {
      return try context.reporter.progress(
        "load", unit: "rows", done: rows, total: layer.featureCount, message: "Loading \(layer.name)")
    }
    let (done, failed) = state.withLock { state in
      state.rows[table] = rows
      return (state.rows.reduce(0, +), state.failure != nil)
    }
    if failed { throw Stopped() }
    let total = parameters.layers.reduce(0) { $0 + $1.layer.featureCount }
    try context.reporter.progress(
      "load", unit: "rows", done: done, total: total, message: "Loading \(parameters.layers.count) tables")
  }

  fileprivate func indexed(_ table: Int, _ steps: Int64) throws {
    guard !isParallel else { return try alive() }
    try context.reporter.progress(
      "index", unit: "steps", done: steps, total: 3, message: "Indexing \(parameters.layers[table].layer.name)")
  }

  fileprivate func report(_ table: Int, _ tally: borrowing WarningTally) {
    let copy = copy tally
    state.withLock { $0.tallies[table] = copy }
    reportWarnings()
  }

  private func reportWarnings() {
    var sum = WarningTally()
    for tally in state.withLock({ $0.tallies }) { sum.add(tally) }
    context.report(sum)
  }
}

/// Where the load of one table tells how far it is.
struct TableProgress: Sendable {
  fileprivate let loads: TableLoads
  fileprivate let table: Int

  /// Throws when there is no sense in going on.
  func alive() throws { try loads.alive() }
  /// So many of the source's rows have been read.
  func read(_ rows: Int64) throws { try loads.read(table, rows) }
  /// So many of three steps after the load are done.
  func indexed(_ steps: Int64) throws { try loads.indexed(table, steps) }
  /// Everything warned of so far.
  func report(_ tally: borrowing WarningTally) { loads.report(table, tally) }
}
