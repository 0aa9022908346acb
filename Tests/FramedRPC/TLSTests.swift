import FramedCore
import FramedMessages
import FramedRPC
import Glibc
import Testing

@Suite struct TLSTests {
  private func refusal(_ tls: TLSConfiguration, _ address: ListeningAddress) async -> RuntimeError? {
    await #expect(throws: RuntimeError.self) { _ = try await connect(address, tls: tls) }
  }

  @Test func clientWithoutCertificateIsRefused() async throws {
    let credentials = try TestCredentials.shared.get()
    try await withServer { _, _, address in
      let error = await refusal(credentials.clientWithoutCertificate, address)
      #expect(error?.kind == .handshake)
      #expect(error?.message.contains("certificate") == true)
    }
  }

  @Test func clientOfAnotherAuthorityIsRefused() async throws {
    let credentials = try TestCredentials.shared.get()
    try await withServer { _, _, address in
      #expect(await refusal(credentials.stranger, address)?.kind == .handshake)
    }
  }

  @Test func serverOfAnotherAuthorityIsRefused() async throws {
    let credentials = try TestCredentials.shared.get()
    try await withServer { _, _, address in
      let error = await refusal(credentials.clientOfAnotherAuthority, address)
      #expect(error?.message.contains("certificate") == true)
    }
  }

  @Test func serverWithAnotherNameIsRefused() async throws {
    var tls = try TestCredentials.shared.get().client
    tls.serverName = "elsewhere.example"
    try await withServer { _, _, address in
      let error = await refusal(tls, address)
      #expect(error?.message.contains("mismatch") == true)
    }
  }

  @Test func clientWithoutCertificateIsAnonymousWhereItIsWelcome() async throws {
    let credentials = try TestCredentials.shared.get()
    try await withServer(tls: credentials.openServer) { _, _, address in
      let client = try await connect(address, tls: credentials.clientWithoutCertificate)
      let response: Header = try await client.unary(EchoMethods.whoami, Header())
      #expect(String(decoding: response.value, as: UTF8.self).hasPrefix("\n"))
    }
  }

  @Test func unreadableFilesFailAtSetUp() throws {
    let tls = TLSConfiguration.server(
      certificateChainPath: "/nonexistent/cert.pem", privateKeyPath: "/nonexistent/key.pem",
      authorityPath: "/nonexistent/ca.pem")
    let error = #expect(throws: RuntimeError.self) {
      _ = try RPCServer(configuration: ServerConfiguration(port: 0, tls: tls), router: RPCRouter())
    }
    #expect(error?.kind == .certificate)
  }

  @Test func nobodyListeningIsAConnectError() async throws {
    // Bound and not listening: nobody else can be given this port meanwhile, and a connection to it is refused.
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &name) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    try #require(bound)
    let tls = try TestCredentials.shared.get().client
    let error = await #expect(throws: RuntimeError.self) {
      _ = try await RPCClient.connect(
        ClientConfiguration(host: "127.0.0.1", port: Int(UInt16(bigEndian: name.sin_port)), tls: tls))
    }
    #expect(error?.kind == .connect)
  }
}
