import FramedRPC
import Foundation
import Synchronization
import TerraneMessages

/// From COMMIT to the one who waits, by turns: a dataset's change to the frame of its watcher, a bare NOTIFY to a session
/// that listens, and a NOTIFY in a transaction that writes a row. All ends are in this process. The watcher is a bare socket
/// (`raw`), as the session that listens is, or a task that reads from the client library.
///
/// A bare NOTIFY writes no row, so it does not wait for the disk, and the change's COMMIT does: the change is committed when its
/// COMMIT is answered.
struct WatchRun {
  let job: Job

  init(_ job: Job) { self.job = job }

  private struct Answer: Encodable {
    /// COMMIT of the change answered to its frame.
    var frameUs: [Double] = []
    /// A bare NOTIFY, a statement by itself, sent to the notification.
    var notifyUs: [Double] = []
    /// COMMIT of a transaction that holds only a NOTIFY, sent to the notification.
    var committedNotifyUs: [Double] = []
    /// COMMIT of the change sent to its frame, the wait for the disk included.
    var frameFromSentUs: [Double] = []
    /// The same of a NOTIFY whose transaction writes a row.
    var durableNotifyUs: [Double] = []
    /// COMMIT of a row and a NOTIFY answered to the dataset's record read by the libpq session that listens: what nobody who
    /// reads records can beat.
    var readUs: [Double] = []
    /// COMMIT of the change sent to COMMIT answered.
    var commitUs: [Double] = []
  }

  func run() async throws {
    let database = try job.need(job.database, "database")
    let rounds = try job.need(job.rounds, "rounds")
    let pause = Duration.milliseconds(job.pause ?? 4)
    let service = DatasetServiceClient(try await job.connect())
    let name = DatasetName(
      namespace: "default", datasetID: "bench", resourceID: try job.need(job.label, "label"), versionID: "v1")
    let spec = DatasetSpec(type: .vector, source: .vector(VectorSource(url: try job.need(job.source, "source"))))
    guard let dataset = try await service.createDataset(CreateDatasetRequest(name: name, spec: spec)).dataset else {
      throw Failed("no dataset came")
    }
    let frames = Arrivals()
    let request = WatchStatusRequest(dataset: DatasetRef(by: .datasetKey(dataset.datasetKey)), follow: true)
    if job.raw == true {
      try RawWatcher(job, request).follow { frames.came() }
    } else {
      Task {
        for try await event in service.watchStatus(request) where event.message != nil { frames.came() }
      }
    }
    _ = try await frames.wait(for: 1)

    let writer = try Session(database)
    let pk = try writer.run("SELECT pk FROM datasets.datasets WHERE key = decode('\(dataset.datasetKey)', 'hex')")
    _ = try writer.run("CREATE TABLE IF NOT EXISTS bench_rows (x int)")
    let notifications = Arrivals()
    let records = Arrivals()
    // One session listens for both: PostgreSQL wakes every session that listens, whatever to.
    let listener = try Session(database)
    try listener.run("SET plan_cache_mode = force_generic_plan")
    try listener.run(
      "PREPARE record AS SELECT \(try job.need(job.columns, "columns")) FROM datasets.records WHERE pk = \(pk)")
    try listener.run("EXECUTE record; LISTEN bench_bare; LISTEN bench_read")
    listener.receive { channel in
      if channel == "bench_read" {
        _ = try? listener.run("EXECUTE record")
        records.came()
      } else {
        notifications.came()
      }
    }

    var answer = Answer()
    for round in 0..<rounds + Self.warmUp {
      let seen = frames.count
      let (sent, answered) = try writer.commit("SELECT coremachine.touch(ARRAY[\(pk)::bigint])")
      let frame = try await frames.wait(for: seen + 1)
      try await Task.sleep(for: pause)
      var heard = notifications.count
      let notified = Clock.steady()
      try writer.run("NOTIFY bench_bare, '\(round)'")
      let notification = try await notifications.wait(for: heard + 1)
      try await Task.sleep(for: pause)
      heard = notifications.count
      let (committed, _) = try writer.commit("NOTIFY bench_bare, '\(round)'")
      let second = try await notifications.wait(for: heard + 1)
      try await Task.sleep(for: pause)
      heard = notifications.count
      let (written, _) = try writer.commit("INSERT INTO bench_rows VALUES (\(round)); NOTIFY bench_bare, '\(round)'")
      let durable = try await notifications.wait(for: heard + 1)
      try await Task.sleep(for: pause)
      let read = records.count
      let (_, toldReader) = try writer.commit("INSERT INTO bench_rows VALUES (\(round)); NOTIFY bench_read, '\(round)'")
      let record = try await records.wait(for: read + 1)
      try await Task.sleep(for: pause)
      guard round >= Self.warmUp else { continue }
      answer.frameUs.append(Double(frame - answered) / 1e3)
      answer.readUs.append(Double(record - toldReader) / 1e3)
      answer.frameFromSentUs.append(Double(frame - sent) / 1e3)
      answer.durableNotifyUs.append(Double(durable - written) / 1e3)
      answer.commitUs.append(Double(answered - sent) / 1e3)
      answer.committedNotifyUs.append(Double(second - committed) / 1e3)
      answer.notifyUs.append(Double(notification - notified) / 1e3)
    }
    try say(answer)
    exit(0)
  }

  private static let warmUp = 30
}

/// When things came, in order. Whoever waits is woken, so that nothing but what is measured runs meanwhile.
final class Arrivals: Sendable {
  private struct State {
    var times: [Int64] = []
    var waiting: (number: Int, continuation: CheckedContinuation<Int64, any Error>)?
  }
  private let state = Mutex(State())

  var count: Int { state.withLock { $0.times.count } }

  func came() {
    let now = Clock.steady()
    let woken = state.withLock { state -> CheckedContinuation<Int64, any Error>? in
      state.times.append(now)
      guard let waiting = state.waiting, state.times.count >= waiting.number else { return nil }
      state.waiting = nil
      return waiting.continuation
    }
    woken?.resume(returning: now)
  }

  /// When the `number`-th came (from 1). One at a time may wait.
  func wait(for number: Int) async throws -> Int64 {
    let timer = Task {
      try await Task.sleep(for: .seconds(5))
      state.withLock {
        $0.waiting?.continuation.resume(throwing: Failed("nothing came within 5 s"))
        $0.waiting = nil
      }
    }
    defer { timer.cancel() }
    return try await withCheckedThrowingContinuation { continuation in
      let time = state.withLock { state -> Int64? in
        if state.times.count >= number { return state.times[number - 1] }
        state.waiting = (number, continuation)
        return nil
      }
      if let time { continuation.resume(returning: time) }
    }
  }
}
