import FramedCore
import FramedMessages
import FramedRPC
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
    let address = try await withServer { _, _, address in address }
    let error = await #expect(throws: RuntimeError.self) { _ = try await connect(address) }
    #expect(error?.kind == .connect)
  }
}
