import ConformanceMessages
import Foundation
import FramedMessages
import FramedRPC
import ProtobufFacade
import Synchronization

/// The client under test: configuration on standard input, what came of its calls on standard output.
@main
struct Main {
  static func main() async throws {
    let configuration = try JSONDecoder().decode(
      Configuration.self, from: FileHandle.standardInput.readDataToEndOfFile())
    let tls = TLSConfiguration.client(
      certificateChainPath: configuration.credentials.certificate, privateKeyPath: configuration.credentials.key,
      authorityPath: configuration.credentials.authority)
    var client = ClientConfiguration(host: configuration.host, port: configuration.port, tls: tls)
    if let value = configuration.max_message { client.maxMessage = value }
    if let value = configuration.initial_credit { client.initialCredit = value }
    if let value = configuration.first_stream { client.firstStream = value }
    if let tokens = configuration.tokens {
      let next = Mutex(0)
      client.token = {
        next.withLock { index in
          defer { index += 1 }
          return tokens[min(index, tokens.count - 1)]
        }
      }
    }
    client.connectTimeout = .seconds(10)
    let connection = RPCChannel(client)
    var outcomes: [Outcome] = []
    for call in configuration.calls {
      if let pause = call.pause_ms { try await Task.sleep(for: .milliseconds(pause)) }
      let run = Run(connection: connection, call: call)
      let tasks = (0..<(call.count ?? 1)).map { _ in Task { await run.outcome() } }
      for task in tasks { outcomes.append(await task.value) }
    }
    if let linger = configuration.linger_ms { try await Task.sleep(for: .milliseconds(linger)) }
    await connection.close()
    try say(outcomes)
  }

  private static func say(_ outcomes: [Outcome]) throws {
    FileHandle.standardOutput.write(try JSONEncoder().encode(outcomes) + Data("\n".utf8))
  }
}

struct Configuration: Decodable {
  struct Credentials: Decodable {
    var certificate: String
    var key: String
    var authority: String
  }

  struct Call: Decodable {
    var method: String
    var payload_size: Int?
    var topic: String?
    var timeout_ms: Int?
    var cancel_after_ms: Int?
    var cancel_after_messages: Int?
    var metadata: [[String]]?
    var traceparent: String?
    var max_silence_ms: Int?
    /// Calls at once.
    var count: Int?
    /// Before the call.
    var pause_ms: Int?
    /// Between two messages of a stream.
    var message_delay_ms: Int?
  }

  var host: String
  var port: Int
  var credentials: Credentials
  var max_message: Int?
  var initial_credit: Int?
  var linger_ms: Int?
  var first_stream: UInt32?
  var tokens: [String]?
  var calls: [Call]
}

struct Outcome: Encodable {
  struct Message: Encodable {
    var size: Int
    var sum: UInt64
    var key: String
    var seq: UInt64
    var removed: Bool
    var conflated: Bool
  }

  var code: String
  var message = ""
  var refused = false
  var retry_after_ms: Int?
  var details: [[String]] = []
  var trailers: [[String]] = []
  var messages: [Message] = []
}

/// One call, as often as asked.
struct Run: Sendable {
  let connection: RPCChannel
  let call: Configuration.Call

  func outcome() async -> Outcome {
    var outcome = Outcome(code: "OK")
    do {
      try await run(&outcome)
    } catch let error as RPCError {
      outcome.code = error.code.name
      outcome.message = error.message
      outcome.refused = error.refused
      outcome.retry_after_ms = error.retryAfter.map { Int($0 / .milliseconds(1)) }
      outcome.details = error.details.map { [$0.typeURL, hex($0.value)] }
      outcome.trailers = error.trailers.map { [$0.key, hex($0.value)] }
    } catch {
      outcome.code = "CANCELLED"
    }
    return outcome
  }

  private func hex(_ bytes: [UInt8]) -> String { bytes.map { String(format: "%02x", $0) }.joined() }

  private var options: CallOptions {
    var options = CallOptions()
    options.timeout = call.timeout_ms.map { .milliseconds($0) }
    options.metadata = (call.metadata ?? []).map { MetadataEntry(key: $0[0], value: Array($0[1].utf8)) }
    options.traceparent = call.traceparent
    options.maxSilence = call.max_silence_ms.map { .milliseconds($0) }
    return options
  }

  private var instruction: Instruction {
    Instruction(payload: (0..<(call.payload_size ?? 0)).map { UInt8($0 % 251) })
  }

  private func run(_ outcome: inout Outcome) async throws {
    let service = ConformanceServiceClient(connection)
    let request = instruction
    let topic = TopicRequest(topic: call.topic ?? "")
    switch call.method {
    case "Unary": outcome.messages = [try await unary { try await service.unary(request, options: options) }]
    case "Idempotent":
      outcome.messages = [try await unary { try await service.idempotent(request, options: options) }]
    case "Named": outcome.messages = [try await unary { try await service.named(request, options: options) }]
    case "Export":
      try await consume(service.export(request, options: options), &outcome) { ("", $0.payload) }
    case "Events": try await consume(service.events(topic, options: options), &outcome) { ($0.key, $0.payload) }
    case "Watch": try await consume(service.watch(topic, options: options), &outcome) { ($0.key, $0.payload) }
    default: throw RPCError(.unimplemented, "no method \(call.method)")
    }
  }

  private func unary(_ body: @escaping @Sendable () async throws -> Report) async throws -> Outcome.Message {
    let task = Task { try await body() }
    if let wait = call.cancel_after_ms {
      try await Task.sleep(for: .milliseconds(wait))
      task.cancel()
    }
    return describe(try await task.value.payload)
  }

  private func describe(_ bytes: [UInt8]) -> Outcome.Message {
    Outcome.Message(size: bytes.count, sum: sum(bytes), key: "", seq: 0, removed: false, conflated: false)
  }

  private func sum(_ bytes: [UInt8]) -> UInt64 { bytes.reduce(0) { $0 &* 31 &+ UInt64($1) } & 0xFFFF_FFFF }

  private func consume<Message: ProtobufMessage>(
    _ stream: WatchStream<Message>, _ outcome: inout Outcome, _ content: (Message) -> (String, [UInt8])
  ) async throws {
    for try await event in stream {
      guard !event.isBookmark else { continue }
      let (key, payload) = event.message.map(content) ?? (event.key, [])
      outcome.messages.append(
        Outcome.Message(
          size: payload.count, sum: sum(payload), key: key, seq: event.seq, removed: event.removed,
          conflated: event.conflated))
      if outcome.messages.count == call.cancel_after_messages { throw RPCError(.cancelled, "cancelled") }
      if let pause = call.message_delay_ms { try await Task.sleep(for: .milliseconds(pause)) }
    }
  }
}
