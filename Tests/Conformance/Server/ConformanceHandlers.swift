import ConformanceMessages
import FramedMessages
import FramedRPC
import Synchronization

/// `conformance.v1.ConformanceService`.
final class ConformanceHandlers: ConformanceServiceServer {
  private let tallies = Tallies()
  private let topics = Topics()

  // MARK: Calls

  func unary(_ request: Instruction, context: ServerCallContext) async throws -> Report {
    try await counted(request, context) {
      try await wait(request)
      try fail(request)
      return report(request, context, index: 0)
    }
  }

  func idempotent(_ request: Instruction, context: ServerCallContext) async throws -> Report {
    try await unary(request, context: context)
  }

  func named(_ request: Instruction, context: ServerCallContext) async throws -> Report {
    try await unary(request, context: context)
  }

  func export(_ request: Instruction, context: ServerCallContext, stream: BlockStream<Report>) async throws {
    try await counted(request, context) {
      for index in request.sizes.indices {
        try await wait(request)
        try await stream.send(report(request, context, index: index))
      }
      if request.sizes.isEmpty { try await wait(request) }
      try fail(request)
    }
  }

  private func counted<Result>(
    _ request: Instruction, _ context: ServerCallContext, _ body: () async throws -> Result
  ) async throws -> Result {
    guard !request.tag.isEmpty else { return try await body() }
    tallies.update(request.tag) { $0.begin() }
    context.onCancel { [tallies] _ in tallies.update(request.tag) { $0.cancelled += 1 } }
    defer { tallies.update(request.tag) { $0.running -= 1 } }
    return try await body()
  }

  private func wait(_ request: Instruction) async throws {
    guard request.delayMs > 0 else { return }
    let delay = Duration.milliseconds(Int64(request.delayMs))
    if request.ignoreCancel {
      // A task of its own does not hear of the cancellation.
      await Task.detached { try? await Task.sleep(for: delay) }.value
    } else {
      try await Task.sleep(for: delay)
    }
  }

  private func fail(_ request: Instruction) throws(RPCError) {
    guard request.code != 0 else { return }
    throw RPCError(
      StatusCode(rawValue: Int32(request.code)) ?? .unknown, request.message,
      details: request.details.map { ErrorDetail(typeURL: $0.typeURL, value: $0.value) },
      trailers: request.trailers.map { MetadataEntry(key: $0.key, value: $0.value) },
      retryAfter: request.retryAfterMs.map { .milliseconds(Int64($0)) })
  }

  private func report(_ request: Instruction, _ context: ServerCallContext, index: Int) -> Report {
    var report = Report()
    report.payload = index < request.sizes.count ? pattern(Int(request.sizes[index])) : request.payload
    report.index = UInt32(index)
    report.principal = context.principal.uri
    report.metadata = context.metadata.map { Header(key: $0.key, value: $0.value) }
    report.traceparent = context.traceparent ?? ""
    report.tracestate = context.tracestate ?? ""
    report.requestID = context.requestID ?? []
    report.attempt = context.attempt
    report.timeLeftMs = context.timeRemaining.map {
      UInt32(clamping: $0.components.seconds * 1_000 + $0.components.attoseconds / 1_000_000_000_000_000)
    }
    return report
  }

  private func pattern(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      for index in 0..<count { buffer[index] = UInt8(index % 251) }
      initialized = count
    }
  }

  // MARK: Topics

  func events(_ request: TopicRequest, context: ServerCallContext, stream: QueueStream<Value>) async throws {
    try topics.withTopic(request.topic) { topic throws(RPCError) in
      try topic.add(stream, resume: context.resume, cancelled: context.isCancelled)
    }
    stream.onEnd { [topics] _ in topics.withTopic(request.topic) { $0.prune() } }
  }

  func watch(_ request: TopicRequest, context: ServerCallContext, stream: LatestStream<Value>) async throws {
    topics.withTopic(request.topic) { $0.add(stream, resume: context.resume) }
    stream.onEnd { [topics] _ in topics.withTopic(request.topic) { $0.prune() } }
    stream.onSnapshotNeeded { [topics] in topics.withTopic(request.topic) { $0.snapshot(stream) } }
  }

  func publish(_ request: PublishRequest, context: ServerCallContext) async throws -> PublishResponse {
    topics.withTopic(request.topic) { topic in
      for value in request.values { topic.publish(value) }
      if request.forgetTo > 0 { topic.forget(request.forgetTo) }
      if request.finish { topic.finish() }
      return PublishResponse(seq: topic.seq, streams: UInt32(topic.open))
    }
  }

  func observe(_ request: ObserveRequest, context: ServerCallContext) async throws -> Observation {
    let tally = tallies.current(request.tag)
    return Observation(
      running: UInt32(tally.running), mostRunning: UInt32(tally.most), started: UInt32(tally.started),
      cancelled: UInt32(tally.cancelled))
  }
}

/// What became of the calls with a tag.
struct Tally {
  var running = 0
  var most = 0
  var started = 0
  var cancelled = 0

  mutating func begin() {
    started += 1
    running += 1
    most = max(most, running)
  }
}

final class Tallies: Sendable {
  private let tallies = Mutex<[String: Tally]>([:])

  func update(_ tag: String, _ change: (inout Tally) -> Void) {
    tallies.withLock { change(&$0[tag, default: Tally()]) }
  }
  func current(_ tag: String) -> Tally { tallies.withLock { $0[tag] ?? Tally() } }
}
