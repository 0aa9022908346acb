import ConformanceMessages
import Foundation
import FramedRPC
import Logging

/// The server under test: configuration on standard input, its port on standard output, the access log as JSON lines on
/// standard error. Ends with its standard input.
@main
struct Main {
  static func main() async throws {
    guard let line = readLine(strippingNewline: true) else { throw RuntimeError(.misuse, "no configuration") }
    let configuration = try JSONDecoder().decode(Configuration.self, from: Data(line.utf8))
    var server = configuration.server
    server.accessLog = Logger(label: "access") { _ in AccessLog() }
    var quiet = Logger(label: "server")
    quiet.logLevel = .critical

    let service = ConformanceHandlers()
    let names = ["conformance.v1.ConformanceService", "framedrpc.v1.ReflectionService", "grpc.health.v1.Health"]
    let router = RPCRouter([
      service, HealthService(source: AlwaysHealthy(services: names)),
      ReflectionService(services: names, fileDescriptorSet: ConformanceMessagesSchema.fileDescriptorSet),
    ])
    let running = try RPCServer(configuration: server, router: router, logger: quiet)
    let address = try await running.start()
    say(["port": address.port])

    // Reading a line waits: not on one of the threads that answer calls.
    let commands = AsyncStream<String> { continuation in
      Thread.detachNewThread {
        while let line = readLine(strippingNewline: true) { continuation.yield(line) }
        continuation.finish()
      }
    }
    for await line in commands {
      let command = try JSONDecoder().decode(Command.self, from: Data(line.utf8))
      if let grace = command.drain_ms {
        await running.drain(grace: .milliseconds(grace))
        say(["drained": 1])
      }
    }
    await running.shutdown()
  }

  private static func say(_ value: [String: Int]) {
    guard let data = try? JSONEncoder().encode(value) else { return }
    FileHandle.standardOutput.write(data + Data("\n".utf8))
  }
}

/// One JSON object a line, of strings.
struct AccessLog: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.info
  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let fields = (event.metadata ?? [:]).mapValues { "\($0)" }
    guard let data = try? JSONEncoder().encode(fields) else { return }
    FileHandle.standardError.write(data + Data("\n".utf8))
  }
}
