import Foundation
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

  @Test func certificatesAreReadAgainWithoutARestart() async throws {
    let credentials = try TestCredentials.shared.get()
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("reload-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func put(_ file: String, as name: String) throws {
      let place = folder.appendingPathComponent(name)
      try Data(contentsOf: URL(fileURLWithPath: credentials.path(file))).write(to: place)
    }
    try put("server.pem", as: "server.pem")
    try put("server.key", as: "server.key")
    try put("ca.pem", as: "ca.pem")
    let tls = TLSConfiguration.server(
      certificateChainPath: folder.path + "/server.pem", privateKeyPath: folder.path + "/server.key",
      authorityPath: folder.path + "/ca.pem")
    try await withServer(tls: tls) { server, _, address in
      let old = try await connect(address)
      #expect(await refusal(credentials.stranger, address) != nil)
      // From now on clients of the other authority are let in, and ours are not.
      try put("other.pem", as: "ca.pem")
      try server.reloadCertificates()
      #expect(await refusal(credentials.client, address) != nil)
      let new = try await connect(address, tls: credentials.stranger)
      try Data("no certificate".utf8).write(to: folder.appendingPathComponent("server.pem"))
      #expect(throws: RuntimeError.self) { try server.reloadCertificates() }
      // What is open goes on, and so does what was read last.
      for client in [old, new, try await connect(address, tls: credentials.stranger)] {
        let response: Header = try await client.unary(EchoMethods.echo, Header(key: "k"))
        #expect(response.key == "k")
      }
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
