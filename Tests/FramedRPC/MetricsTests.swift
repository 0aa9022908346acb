import FramedCore
import FramedMessages
import Logging
#if !THREAD_SANITIZER
  import Synchronization
#endif
import Testing

@testable import FramedRPC

/// What a server counts, and what it writes of each call.
@Suite struct MetricsTests {
  /// Keeps the lines of a log.
  ///
  /// Unchecked: `metadata` and `logLevel` are set before it is used; the lines are behind a lock.
  private final class Lines: LogHandler, @unchecked Sendable {
    let kept = Mutex<[Logger.Metadata]>([])
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }
    func log(event: LogEvent) { kept.withLock { $0.append(event.metadata ?? [:]) } }
  }

  @Test func callsAreCountedByMethodAndCode() async throws {
    let credentials = try TestCredentials.shared.get()
    let service = EchoService()
    let lines = Lines()
    var configuration = ServerConfiguration(port: 0, tls: credentials.server)
    configuration.accessLog = Logger(label: "access") { _ in lines }
    let router = RPCRouter([service])
    let server = try RPCServer(
      configuration: configuration, router: router, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let address = try await server.start()
    func text() -> String {
      var text = OpenMetricsText()
      configuration.metrics.write(router, into: &text)
      return text.text
    }
    let client = try await connect(address)
    for _ in 0..<3 { let _: Header = try await client.unary(EchoMethods.echo, Header(key: "a")) }
    let _: Header = try await client.unary(EchoMethods.echoSync, Header(key: "a"))
    await #expect(throws: RPCError.self) {
      let _: Header = try await client.unary(EchoMethods.fail, Header(key: "5", value: Array("gone".utf8)))
    }
    await #expect(throws: RPCError.self) {
      let _: Header = try await client.unary(MethodDescriptor(name: "framedrpc.test.Echo/Nobody"), Header())
    }
    let watch = Task { for try await _ in client.stream(EchoMethods.watch, Header(), Header.self) {} }
    try await service.streams.wait { $0.count == 1 }
    let during = text()
    #expect(during.contains(#"framedrpc_server_calls_total{method="framedrpc.test.Echo/Echo",code="OK"} 3"#))
    #expect(during.contains(#"framedrpc_server_calls_total{method="framedrpc.test.Echo/EchoSync",code="OK"} 1"#))
    #expect(during.contains(#"framedrpc_server_calls_total{method="framedrpc.test.Echo/Fail",code="NOT_FOUND"} 1"#))
    #expect(during.contains(#"framedrpc_server_calls_in_flight{method="framedrpc.test.Echo/Watch"} 1"#))
    #expect(during.contains(#"framedrpc_server_call_seconds_count{method="framedrpc.test.Echo/Echo"} 3"#))
    #expect(during.contains(#"framedrpc_server_call_seconds_bucket{method="framedrpc.test.Echo/Echo",le="+Inf"} 3"#))
    #expect(!during.contains(#"framedrpc_server_call_seconds_count{method="framedrpc.test.Echo/Watch"}"#))
    #expect(during.contains("framedrpc_server_unknown_methods_total 1"))
    #expect(during.contains("\nframedrpc_server_connections 1\n"))
    #expect(during.hasSuffix("\n# EOF\n"))
    watch.cancel()
    try await eventually {
      text().contains(#"framedrpc_server_calls_total{method="framedrpc.test.Echo/Watch",code="CANCELLED"} 1"#)
    }
    #expect(text().contains(#"framedrpc_server_calls_in_flight{method="framedrpc.test.Echo/Watch"} 0"#))
    let calls = lines.kept.withLock { $0 }
    #expect(calls.map { "\($0["code"] ?? "")" } == ["OK", "OK", "OK", "OK", "NOT_FOUND", "CANCELLED"])
    #expect(calls.allSatisfy { "\($0["principal"] ?? "")" == TestCredentials.clientURI && $0["us"] != nil })
    await client.close()
    try await eventually { text().contains("\nframedrpc_server_connections 0\n") }
    await server.shutdown()
  }

  @Test func whatPeersBreakIsCounted() async throws {
    let credentials = try TestCredentials.shared.get()
    let configuration = ServerConfiguration(port: 0, tls: credentials.server)
    let router = RPCRouter()
    let server = try RPCServer(
      configuration: configuration, router: router, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let address = try await server.start()
    _ = try? await connect(address, tls: credentials.stranger)
    let peer = try RawPeer(address, tls: credentials.client)
    try peer.hello()
    try peer.send([0, 0, 0, 4, 6, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    _ = try peer.frames()
    try await eventually { server.connectionCount == 0 }
    var text = OpenMetricsText()
    configuration.metrics.write(router, into: &text)
    #expect(text.text.contains("framedrpc_server_handshakes_failed_total 1"))
    #expect(text.text.contains(#"framedrpc_server_violations_total{code="FLOW_CONTROL"} 1"#))
    await server.shutdown()
  }

  @Test func namesAndValuesAreEscaped() {
    var text = OpenMetricsText()
    text.family("a", .gauge, "one\ntwo") { $0.sample([("l", "say \"\\\"")], 1.5) }
    #expect(text.text == "# TYPE a gauge\n# HELP a one\\ntwo\na{l=\"say \\\"\\\\\\\"\"} 1.5\n# EOF\n")
  }
}
