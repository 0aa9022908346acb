import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import GRPCProtobuf
import Glibc
import NIOPosix
import SwiftProtobuf

// A grpc-swift-2 server that echoes: grpc-swift-echo CERTIFICATE KEY AUTHORITY. Prints its port, ends with its standard input.

struct Echo: RegistrableRPCService {
  func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
    router.registerHandler(
      forMethod: MethodDescriptor(fullyQualifiedService: "bench.Echo", method: "Unary"),
      deserializer: ProtobufDeserializer<Terrane_V1_VectorSource>(),
      serializer: ProtobufSerializer<Terrane_V1_VectorSource>()
    ) { request, _ in
      let request = try await ServerRequest(stream: request)
      return StreamingServerResponse(single: ServerResponse(message: request.message))
    }
  }
}

let words = CommandLine.arguments
var config = HTTP2ServerTransport.Posix.Config.defaults
config.http2.maxConcurrentStreams = 10_000
let server = GRPCServer(
  transport: .http2NIOPosix(
    address: .ipv4(host: "127.0.0.1", port: 0),
    transportSecurity: .mTLS(
      certificateChain: [.file(path: words[1], format: .pem)], privateKey: .file(path: words[2], format: .pem)
    ) { $0.trustRoots = .certificates([.file(path: words[3], format: .pem)]) },
    config: config, eventLoopGroup: MultiThreadedEventLoopGroup(numberOfThreads: 1)),
  services: [Echo()])
async let serving: Void = server.serve()
guard let address = try await server.listeningAddress?.ipv4 else { fatalError("no address") }
print(address.port)
fflush(nil)
Thread.detachNewThread {
  while readLine() != nil {}
  _exit(0)
}
try await serving
