import Foundation
import FramedRPC

/// An authority of the test's own, with certificates it issued and one that a stranger did.
struct TestCredentials: Sendable {
  let directory: URL

  static let shared = Result { try TestCredentials() }

  func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

  var server: TLSConfiguration {
    .server(
      certificateChainPath: path("server.pem"), privateKeyPath: path("server.key"), authorityPath: path("ca.pem"))
  }

  /// Clients without a certificate are welcome.
  var openServer: TLSConfiguration {
    .server(
      certificateChainPath: path("server.pem"), privateKeyPath: path("server.key"), authorityPath: path("ca.pem"),
      requiresClientCertificate: false)
  }

  var client: TLSConfiguration {
    .client(certificateChainPath: path("client.pem"), privateKeyPath: path("client.key"), authorityPath: path("ca.pem"))
  }

  var clientWithoutCertificate: TLSConfiguration { .client(authorityPath: path("ca.pem")) }

  /// Certified by an authority the server does not know.
  var stranger: TLSConfiguration {
    .client(
      certificateChainPath: path("stranger.pem"), privateKeyPath: path("stranger.key"), authorityPath: path("ca.pem"))
  }

  /// Trusts an authority that did not certify the server.
  var clientOfAnotherAuthority: TLSConfiguration {
    .client(
      certificateChainPath: path("client.pem"), privateKeyPath: path("client.key"), authorityPath: path("other.pem"))
  }

  static let clientURI = "terrane://test/client"

  private init() throws {
    directory = FileManager.default.temporaryDirectory.appendingPathComponent("framed-rpc-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    try authority("ca")
    try authority("other")
    try certificate("server", by: "ca", names: "DNS:localhost,IP:127.0.0.1")
    try certificate("client", by: "ca", names: "URI:\(Self.clientURI)")
    try certificate("stranger", by: "other", names: "URI:terrane://test/stranger")
  }

  private func authority(_ name: String) throws {
    try openssl(
      "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
      "/CN=\(name)", "-keyout", path("\(name).key"), "-out", path("\(name).pem"))
  }

  private func certificate(_ name: String, by authority: String, names: String) throws {
    try openssl(
      "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(name)", "-keyout",
      path("\(name).key"), "-out", path("\(name).csr"))
    let extensions = path("\(name).ext")
    try "subjectAltName=\(names)\n".write(toFile: extensions, atomically: true, encoding: .utf8)
    try openssl(
      "x509", "-req", "-in", path("\(name).csr"), "-CA", path("\(authority).pem"), "-CAkey", path("\(authority).key"),
      "-set_serial", "\(abs(name.hashValue) % 100_000 + 1)", "-days", "2", "-extfile", extensions, "-out",
      path("\(name).pem"))
  }

  private func openssl(_ arguments: String...) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["openssl"] + arguments
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.fileWriteUnknown) }
  }
}
