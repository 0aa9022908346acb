import FramedRPC
import Foundation
import Synchronization
import TerraneMessages

/// CreateDataset as fast as so many calls in flight go. A call is over when its answer is here: the row is durable then.
struct CreatesRun {
  let job: Job

  init(_ job: Job) { self.job = job }

  private struct Answer: Encodable {
    var requests: Int
    var seconds: Double
    var perSecond: Double
    var p50us: Double
    var p99us: Double
    var clientCPUus: Double
    /// When the measured time began and ended, microseconds since 1970.
    var began: Int64
    var ended: Int64
  }

  func run() async throws {
    let inFlight = try job.need(job.inFlight, "inFlight")
    let connections = min(inFlight, job.connections ?? 8)
    let label = try job.need(job.label, "label")
    let source = try job.need(job.source, "source")
    let seconds = try job.need(job.seconds, "seconds")
    let warmUp = job.warmUp ?? 0.5
    var services: [DatasetServiceClient] = []
    for _ in 0..<connections { services.append(DatasetServiceClient(try await job.connect())) }
    let start = Clock.steady() + Int64(warmUp * 1e9)
    let end = start + Int64(seconds * 1e9)
    let cpu = Mutex(0.0)
    let marks = Mutex((began: Int64(0), ended: Int64(0)))
    let times = try await withThrowingTaskGroup(of: [Int64].self) { group in
      for worker in 0..<inFlight {
        let service = services[worker % connections]
        group.addTask {
          try await Self.work(service, "\(label)-\(worker)", source, from: start, to: end)
        }
      }
      try await Task.sleep(for: .seconds(warmUp))
      cpu.withLock { $0 = Clock.processor() }
      marks.withLock { $0.began = Clock.wall() }
      try await Task.sleep(for: .seconds(seconds))
      cpu.withLock { $0 = Clock.processor() - $0 }
      marks.withLock { $0.ended = Clock.wall() }
      return try await group.reduce(into: [Int64]()) { $0 += $1 }
    }
    guard !times.isEmpty else { throw Failed("nothing was made") }
    let sorted = times.sorted()
    func quantile(_ share: Double) -> Double {
      Double(sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))]) / 1e3
    }
    try say(
      Answer(
        requests: sorted.count, seconds: seconds, perSecond: Double(sorted.count) / seconds, p50us: quantile(0.5),
        p99us: quantile(0.99), clientCPUus: cpu.withLock { $0 } * 1e6 / Double(sorted.count),
        began: marks.withLock { $0.began }, ended: marks.withLock { $0.ended }))
  }

  private static func work(
    _ service: DatasetServiceClient, _ prefix: String, _ source: String, from start: Int64, to end: Int64
  ) async throws -> [Int64] {
    var times: [Int64] = []
    let spec = DatasetSpec(type: .vector, source: .vector(VectorSource(url: source)))
    for number in 0... {
      let began = Clock.steady()
      guard began < end else { break }
      let name = DatasetName(
        namespace: "default", datasetID: "bench", resourceID: "\(prefix)-\(number)", versionID: "v1")
      // As the command line does: with a request id, so that a retry is safe.
      let options = CallOptions(requestID: (0..<16).map { _ in UInt8.random(in: 0 ... .max) })
      let answer = try await service.createDataset(CreateDatasetRequest(name: name, spec: spec), options: options)
      guard answer.created else { throw Failed("\(name.resourceID) was there already") }
      let ended = Clock.steady()
      if began >= start, ended <= end { times.append(ended - began) }
    }
    return times
  }
}
