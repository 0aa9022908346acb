internal import FramedRPC
internal import Glibc
internal import TerraneMessages

/// A server that echoes, with everything a server in earnest has: client certificates, an authorizer, deadlines, credit, limits,
/// counters. `bench-rpc-server CERTIFICATE KEY AUTHORITY`; prints its port, ends with its standard input.
@main
struct Main {
  private struct Echo: RPCService {
    static let unary = MethodDescriptor(name: "bench.Echo/Unary", role: "reader")
    static let task = MethodDescriptor(name: "bench.Echo/Task", role: "reader")

    func register(with router: inout RPCRouter) {
      router.unarySync(Self.unary, VectorSource.self, VectorSource.self) { request, _ in request }
      router.unary(Self.task, VectorSource.self, VectorSource.self) { request, _ in request }
    }
  }

  /// As a server's table of principals is: a look-up a call.
  private struct Principals: Authorizer {
    let known = ["framedrpc://conformance/client": "reader"]

    func authorize(_ principal: Principal, _ method: MethodDescriptor) throws(RPCError) {
      guard known[principal.uri] == method.role else { throw RPCError(.permissionDenied, "not a reader") }
    }
  }

  static func main() async throws {
    let words = CommandLine.arguments
    guard words.count == 4 else { return }
    let configuration = ServerConfiguration(
      port: 0, tls: .server(certificateChainPath: words[1], privateKeyPath: words[2], authorityPath: words[3]))
    let server = try RPCServer(configuration: configuration, router: RPCRouter([Echo()]), authorizer: Principals())
    print(try await server.start().port)
    fflush(nil)
    while readLine() != nil {}
    await server.shutdown()
  }
}
