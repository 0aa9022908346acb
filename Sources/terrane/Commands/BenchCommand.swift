import ArgumentParser
import CommandLineClient
import FramedRPC
import ProtobufFacade
import Synchronization

struct BenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-rpc",
    abstract: "Call a unary method again and again; say how many calls there were and how long they took.",
    discussion: """
      The method is called for real: one that changes something does so each time.

      EXAMPLES
        \(Invocation.program) bench-rpc Health/Check
        \(Invocation.program) bench-rpc ListDatasets '{"page_size": 10}' --connections 8 --in-flight 8 --seconds 5
        \(Invocation.program) bench-rpc Health/Check --rate 1000

      With --rate calls begin at their times whether or not earlier ones were answered, and times count from there;
      without, each answer makes room for the next call.
      """)

  @Argument(help: "package.Service/Method, or its end.") var method: String
  @Argument(help: "The request in JSON.") var request = "{}"
  @Option(help: "How many connections.") var connections = 1
  @Option(help: ArgumentHelp("Calls under way on each connection.", valueName: "count")) var inFlight = 8
  @Option(help: "For how long.") var seconds = 10.0
  @Option(help: ArgumentHelp("Calls a second, on all connections together.", valueName: "calls")) var rate: Int?
  @OptionGroup var connection: ConnectionOptions

  func validate() throws {
    guard (1...1_000).contains(connections) else { throw ValidationError("--connections takes 1 to 1000.") }
    guard (1...1_000).contains(inFlight) else { throw ValidationError("--in-flight takes 1 to 1000.") }
    guard seconds > 0, seconds <= 3_600 else { throw ValidationError("--seconds takes a number up to 3600.") }
    if let rate, !(1...1_000_000).contains(rate) { throw ValidationError("--rate takes 1 to 1000000.") }
  }

  func run() async throws {
    try await Session.run(connection) { session in
      let schema = try await session.schema()
      let method = try schema.method(method)
      guard !method.isStream else {
        throw CommandLineError(
          .badRequest, "STREAM", "\(method.name) is a stream; bench-rpc calls methods with one answer.")
      }
      let body = RawMessage(try schema.encode(request, as: method.request))
      var clients = [try await session.connection()]
      while clients.count < connections { clients.append(try await session.anotherConnection()) }
      let load = Load(
        method: MethodDescriptor(name: method.name), request: body, clients: clients,
        options: CallOptions(timeout: connection.answerTimeout))
      Terminal.errors.write("calling \(method.name) for \(seconds) s …\n")
      let began = ContinuousClock.now
      if let rate {
        await load.run(rate: rate, for: .seconds(seconds), most: connections * inFlight)
      } else {
        await load.run(inFlight: inFlight, for: .seconds(seconds))
      }
      let took = ContinuousClock.now - began
      let report = load.report(
        LoadReport(
          method: method.name, connections: connections, inFlight: inFlight, rate: rate,
          seconds: Double(took.components.seconds) + Double(took.components.attoseconds) / 1e18))
      for client in clients { await client.close() }
      if connection.output.json { Terminal.output.line(report.json.text) } else { Terminal.output.write(report.text) }
      // Nothing was answered: what stands in the way is the result.
      guard report.latency.count == 0 else { return }
      let isGone = report.failures.keys.allSatisfy { $0 == StatusCode.unavailable.name }
      throw ExitCode((isGone ? ExitStatus.unreachable : .badRequest).rawValue)
    }
  }
}

/// Calls of one method, and what they came to.
private final class Load: Sendable {
  private struct Outcome {
    var latency = LatencyHistogram()
    var failures: [String: Int64] = [:]
  }

  private let method: MethodDescriptor
  private let request: RawMessage
  private let clients: [RPCClient]
  private let options: CallOptions
  private let outcome = Mutex(Outcome())

  init(method: MethodDescriptor, request: RawMessage, clients: [RPCClient], options: CallOptions) {
    self.method = method
    self.request = request
    self.clients = clients
    self.options = options
  }

  /// Each answer makes room for the next call.
  func run(inFlight: Int, for time: Duration) async {
    let end = ContinuousClock.now + time
    await withTaskGroup(of: Void.self) { group in
      for client in clients {
        for _ in 0..<inFlight {
          group.addTask {
            // Counted apart: workers that all count in one place wait for each other.
            var outcome = Outcome()
            while ContinuousClock.now < end { await self.call(client, from: .now, &outcome) }
            self.add(outcome)
          }
        }
      }
    }
  }

  /// Calls begin at their times; one that finds `most` under way waits, and its wait counts.
  func run(rate: Int, for time: Duration, most: Int) async {
    let start = ContinuousClock.now
    let count = Int(
      Double(rate) * Double(time.components.seconds) + Double(rate) * Double(time.components.attoseconds) / 1e18)
    await withTaskGroup(of: Void.self) { group in
      var running = 0
      for index in 0..<count {
        let planned = start + .nanoseconds(Int64(index) * 1_000_000_000 / Int64(rate))
        if planned > .now { try? await Task.sleep(until: planned, clock: .continuous) }
        if running == most {
          await group.next()
          running -= 1
        }
        running += 1
        let client = clients[index % clients.count]
        group.addTask {
          var outcome = Outcome()
          await self.call(client, from: planned, &outcome)
          self.add(outcome)
        }
      }
    }
  }

  private func call(_ client: RPCClient, from began: ContinuousClock.Instant, _ outcome: inout Outcome) async {
    do throws(RPCError) {
      let _: RawMessage = try await client.unary(method, request, options: options)
      let took = (ContinuousClock.now - began).components
      outcome.latency.add(nanoseconds: took.seconds * 1_000_000_000 + took.attoseconds / 1_000_000_000)
    } catch {
      outcome.failures[error.code.name, default: 0] += 1
      // A connection that is gone fails at once, for as long as is asked.
      if !client.isUsable { try? await Task.sleep(for: .milliseconds(50)) }
    }
  }

  private func add(_ part: Outcome) {
    outcome.withLock { outcome in
      outcome.latency.add(part.latency)
      outcome.failures.merge(part.failures) { $0 + $1 }
    }
  }

  func report(_ report: LoadReport) -> LoadReport {
    outcome.withLock { outcome in
      var report = report
      report.latency = outcome.latency
      report.failures = outcome.failures
      return report
    }
  }
}
