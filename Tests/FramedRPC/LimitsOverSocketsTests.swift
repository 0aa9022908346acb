import FramedCore
import FramedMessages
import FramedRPC
import Glibc
import Logging
import Testing

@Suite("What a whole server allows") struct LimitsOverSocketsTests {
  @Test("above the byte budget new calls are refused, on every connection, until bytes are given back")
  func byteBudget() async throws {
    var limits = ServerLimits()
    limits.maxHeldBytes = 1 << 20
    try await withServer(limits: limits) { _, _, address in
      let client = try await connect(address)
      let small: Header = try await client.unary(EchoMethods.echo, Header(key: "a"))
      #expect(small.key == "a")
      // A request that is announced and does not come.
      let raw = try RawPeer(address, tls: try TestCredentials.shared.get().client)
      try raw.hello()
      let meta = CallMeta(method: EchoMethods.echo.name, messageBytes: 2 << 20).protobufBytes()
      let queue = ByteQueue()
      queue.appendFrame(.call, .more, stream: 1, meta: meta, body: [UInt8](repeating: 0, count: 1_000))
      try raw.send(Array(queue.readable))
      var refusal: RPCError?
      for _ in 0..<1_000 where refusal == nil {
        do throws(RPCError) {
          let _: Header = try await client.unary(EchoMethods.echo, Header(key: "b"))
          try? await Task.sleep(for: .milliseconds(2))
        } catch {
          refusal = error
        }
      }
      #expect(refusal?.code == .resourceExhausted && refusal?.refused == true)
      #expect(refusal?.details.first?.typeURL.hasSuffix("google.rpc.ErrorInfo") == true)
      #expect(refusal?.retryAfter == .seconds(1))
      queue.removeAll()
      queue.appendCancel(.caller, stream: 1)
      try raw.send(Array(queue.readable))
      var answer: Header?
      for _ in 0..<1_000 where answer == nil {
        answer = try? await client.unary(EchoMethods.echo, Header(key: "c"))
        if answer == nil { try await Task.sleep(for: .milliseconds(2)) }
      }
      #expect(answer?.key == "c")
    }
  }

  @Test("a socket of this machine that another server listens on is left alone; one that was left behind is replaced")
  func unixSocket() async throws {
    let path = "/tmp/framed-rpc-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
    defer { unlink(path) }
    func server() throws -> RPCServer {
      var configuration = ServerConfiguration(port: 0, tls: try TestCredentials.shared.get().server)
      configuration.unixSocket = UnixSocket(path: path) { _ in "framedrpc://test/local" }
      var logger = Logger(label: "test")
      logger.logLevel = .critical
      return try RPCServer(configuration: configuration, router: RPCRouter([EchoService()]), logger: logger)
    }
    let first = try server()
    let address = try await first.start()
    let second = try server()
    let refused = await #expect(throws: RuntimeError.self) { _ = try await second.start() }
    #expect("\(refused.map { "\($0)" } ?? "")".contains("another server listens there"))
    await second.shutdown()
    let client = try await connect(address) { $0.unixSocket = path }
    let answer: Header = try await client.unary(EchoMethods.echo, Header(key: "here"))
    #expect(answer.key == "here")
    await client.close()
    await first.shutdown()
    // Bound, and nobody behind it.
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    unlink(path)
    let left = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    let bound = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(left, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    #expect(bound == 0)
    close(left)
    let third = try server()
    _ = try await third.start()
    await third.shutdown()
  }
}
