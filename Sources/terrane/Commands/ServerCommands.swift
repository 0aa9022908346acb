import ArgumentParser
import CommandLineClient
import FramedMessages
import FramedRPC
import ProtobufFacade
import TerraneMessages

struct HealthCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health", abstract: "Tell whether the server can do its work.",
    discussion: "Exit status 0: it can. 3: it cannot, or does not answer.")

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      var parts: [(name: String, status: HealthCheckResponse.ServingStatus)] = []
      for name in ["", "database", "data_api", "disk"] {
        do {
          parts.append((name, try await Self.check(name, session)))
        } catch let error as RPCError where error.code == .notFound && !name.isEmpty {
          continue
        }
      }
      let serving = parts.first?.status == .serving
      let target = try await session.located()
      if connection.output.json {
        Terminal.output.line(
          JSONValue.object([
            .init("serving", .bool(serving)), .init("server", .string(target.address)),
            .init(
              "parts",
              .object(parts.dropFirst().map { .init($0.name, .bool($0.status == .serving)) })),
          ]).text)
      } else {
        Terminal.output.line("\(serving ? "SERVING" : "NOT SERVING")  \(target.address)")
        for part in parts.dropFirst() {
          Terminal.output.line(
            "  " + TerminalText.padded(part.name.replacing("_", with: " "), to: 10)
              + (part.status == .serving ? "ok" : "not ready"))
        }
      }
      if !serving { throw ExitCode(ExitStatus.unreachable.rawValue) }
    }
  }

  private static func check(_ name: String, _ session: Session) async throws -> HealthCheckResponse.ServingStatus {
    let request = HealthCheckRequest(service: name)
    return try await session.call { client, options in
      try await client.unary(HealthMethods.check, request, HealthCheckResponse.self, options: options).status
    }
  }
}

struct MetricsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "metrics", abstract: "Print what the server counts: calls, their times, connections, watchers.",
    discussion: """
      OpenMetrics text, as Prometheus reads it; with --json a line for each sample.
      terraned --metrics 127.0.0.1:9464 gives the same to Prometheus itself.
      """)

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      let text = try await session.call {
        try await AdminServiceClient($0).getMetrics(GetMetricsRequest(), options: $1).text
      }
      guard connection.output.json else { return Terminal.output.write(text) }
      for line in text.split(separator: "\n") where !line.hasPrefix("#") {
        guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
          continue
        }
        Terminal.output.line(
          JSONValue.object([.init("sample", .string(String(line[..<space]))), .init("value", .number(value))]).text)
      }
    }
  }
}

struct VersionCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version", abstract: "Print the versions of this program and of this machine's server.")

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    let target = try? connection.locator.locate()
    let server = target?.endpoint?.version
    if connection.output.json {
      var members: [JSONValue.Member] = [.init("client", .string(ClientVersion.current))]
      if let server { members.append(.init("server", .string(server))) }
      Terminal.output.line(JSONValue.object(members).text)
      return
    }
    Terminal.output.line("terrane \(ClientVersion.current)")
    if let server, let target { Terminal.output.line("server  \(server)  at \(target.address)") }
  }
}

struct AdminCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "admin", abstract: "For operators.", subcommands: [ScanCommand.self, ConnectionsCommand.self])
}

struct ConnectionsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "connections", abstract: "Who is connected, and what their streams do.")

  @Option(help: "Streams named of each connection, the oldest (default 20).")
  var streams: UInt32 = 20

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    try await Session.run(connection) { session in
      let request = ListConnectionsRequest(streams: streams)
      let answer = try await session.call { try await AdminServiceClient($0).listConnections(request, options: $1) }
      if connection.output.json {
        Terminal.output.json(answer)
      } else {
        Terminal.output.write(ConnectionsReport(now: answer).text)
      }
    }
  }
}

struct ScanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scan", abstract: "Compare what should exist with what does, both ways. Deletes nothing.")

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    var options = connection
    // A scan looks at every table; the server allows it two minutes.
    options.timeout = options.timeout ?? 120
    try await Session.run(options) { session in
      let answer = try await session.call { try await AdminServiceClient($0).scan(ScanRequest(), options: $1) }
      if connection.output.json {
        Terminal.output.json(answer)
      } else {
        Terminal.output.write(ListReport(columns: Terminal.output.columns).text(answer))
      }
    }
  }
}
