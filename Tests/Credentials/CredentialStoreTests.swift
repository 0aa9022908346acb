import Credentials
import Foundation
import Testing

@Suite("Credentials of an installation")
struct CredentialStoreTests {
  @Test("A first start makes an authority, a server certificate and local-admin that openssl verifies")
  func firstStart() throws {
    let scratch = try Scratch()
    let server = try scratch.store().prepareServer(tlsNames: ["data.example.org", "10.1.2.3"])
    #expect(server.renewed)
    try scratch.openssl("verify", "-x509_strict", "-CAfile", server.authority, server.authority)
    for name in ["localhost", "data.example.org"] {
      try scratch.openssl(
        "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", name, "-CAfile", server.authority,
        server.certificate)
    }
    for address in ["127.0.0.1", "::1", "10.1.2.3"] {
      try scratch.openssl(
        "verify", "-x509_strict", "-purpose", "sslserver", "-verify_ip", address, "-CAfile", server.authority,
        server.certificate)
    }
    let admin = scratch.path("credentials/local-admin")
    try scratch.openssl(
      "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", admin + "/ca.pem", admin + "/client.pem")
    #expect(throws: (any Error).self, "a client's certificate must not serve") {
      try scratch.openssl("verify", "-purpose", "sslserver", "-CAfile", admin + "/ca.pem", admin + "/client.pem")
    }
    #expect(throws: (any Error).self) {
      try scratch.openssl(
        "verify", "-verify_hostname", "elsewhere.org", "-CAfile", server.authority, server.certificate)
    }
    #expect(try scratch.store().principals()["terrane:principal:local-admin"]?.role == .admin)
  }

  @Test("The authority may sign and nothing else; certificates are P-256 with SHA-256")
  func extensions() throws {
    let scratch = try Scratch()
    let server = try scratch.store().prepareServer()
    let authority = try scratch.openssl("x509", "-in", server.authority, "-noout", "-text")
    #expect(authority.contains("X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign"))
    #expect(authority.contains("X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0"))
    #expect(authority.contains("X509v3 Subject Key Identifier"))
    #expect(authority.contains("X509v3 Authority Key Identifier"))
    let leaf = try scratch.openssl("x509", "-in", server.certificate, "-noout", "-text")
    #expect(leaf.contains("X509v3 Key Usage: critical\n                Digital Signature\n"))
    #expect(leaf.contains("X509v3 Basic Constraints: critical\n                CA:FALSE"))
    #expect(leaf.contains("Signature Algorithm: ecdsa-with-SHA256"))
    #expect(leaf.contains("NIST CURVE: P-256"))
    #expect(leaf.contains("TLS Web Server Authentication\n"))
    #expect(!leaf.contains("TLS Web Client Authentication"))
  }

  @Test("Keys are for their owner only, and no half-written file stays behind")
  func modes() throws {
    let scratch = try Scratch()
    _ = try scratch.store().prepareServer()
    for key in ["ca.key", "server.key", "principals.json"] {
      #expect(try scratch.mode("credentials/" + key) == 0o600, "\(key)")
    }
    let shared = getgrnam("terrane") != nil && geteuid() == 0
    #expect(try scratch.mode("credentials/local-admin") == (shared ? 0o750 : 0o700))
    #expect(try scratch.mode("credentials/local-admin/client.key") == (shared ? 0o640 : 0o600))
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path("credentials"))
    #expect(
      names.sorted() == [".lock", "ca.key", "ca.pem", "local-admin", "principals.json", "server.key", "server.pem"])
  }

  @Test("A second start keeps everything; other names or little time left make a new server certificate")
  func renewal() throws {
    let scratch = try Scratch()
    let first = try scratch.store().prepareServer(tlsNames: ["a.example", "b.example"])
    let before = try scratch.contents()
    let second = try scratch.store().prepareServer(tlsNames: ["b.example", "a.example"])
    #expect(!second.renewed)
    #expect(try scratch.contents() == before)

    let renamed = try scratch.store().prepareServer(tlsNames: ["b.example"])
    #expect(renamed.renewed)
    let later = scratch.store(daysFromNow: 60)
    #expect(try later.prepareServer(tlsNames: ["b.example"]).renewed, "29 days are left")
    #expect(try !later.prepareServer(tlsNames: ["b.example"]).renewed)
    let then = String(Int(Date().timeIntervalSince1970) + 60 * 86_400)
    try scratch.openssl("verify", "-attime", then, "-CAfile", first.authority, first.certificate)
    #expect(try scratch.contents()["ca.pem"] == before["ca.pem"])
  }

  @Test("A key that does not belong to the certificate is replaced with it")
  func mismatch() throws {
    let scratch = try Scratch()
    let server = try scratch.store().prepareServer()
    try scratch.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", server.key)
    #expect(try scratch.store().prepareServer().renewed)
    let ofKey = try scratch.openssl("pkey", "-in", server.key, "-pubout")
    #expect(try scratch.openssl("x509", "-in", server.certificate, "-noout", "-pubkey") == ofKey)
  }

  @Test("An issued bundle carries the principal's URI and enters it with its role")
  func issue() throws {
    let scratch = try Scratch()
    let store = scratch.store()
    _ = try store.prepareServer()
    let bundle = try store.issue(name: "mara.k", role: .editor, namespaces: ["maps"], to: scratch.path("mara"))
    #expect(bundle.principal == "terrane:principal:mara.k")
    try scratch.openssl(
      "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", bundle.authority, bundle.certificate)
    let text = try scratch.openssl("x509", "-in", bundle.certificate, "-noout", "-ext", "subjectAltName", "-serial")
    #expect(text.contains("URI:terrane:principal:mara.k\n"))
    #expect(text.lowercased().contains("serial=" + bundle.serial))
    #expect(try scratch.mode("mara") == 0o700)
    #expect(try scratch.mode("mara/client.key") == 0o600)
    let entry = try #require(try store.principals()[bundle.principal])
    #expect(entry.serial == bundle.serial)
    #expect(entry.namespaces == ["maps"])
    #expect(entry.allows(.reader, in: "maps") && entry.allows(.editor, in: "maps"))
    #expect(!entry.allows(.operator, in: "maps") && !entry.allows(.reader, in: "other"))
    #expect(try store.principals()["terrane:principal:local-admin"] != nil)
  }

  @Test("A bundle is renewed in place, and never laid over that of somebody else")
  func occupied() throws {
    let scratch = try Scratch()
    let store = scratch.store()
    _ = try store.prepareServer()
    let first = try store.issue(name: "mara", role: .editor, to: scratch.path("bundle"))
    let second = try store.issue(name: "mara", role: .reader, to: scratch.path("bundle"))
    #expect(first.serial != second.serial)
    #expect(try store.principals()["terrane:principal:mara"]?.role == .reader)
    let error = #expect(throws: CredentialError.self) {
      try store.issue(name: "jon", role: .editor, to: scratch.path("bundle"))
    }
    #expect(error?.kind == .occupied)
    #expect(try store.principals()["terrane:principal:jon"] == nil)
  }

  @Test(
    "Names outside the charset are refused",
    arguments: ["", "Mara", "-x", ".x", "a b", "a,URI:terrane:principal:b", "ü", String(repeating: "a", count: 64)])
  func names(_ name: String) throws {
    let scratch = try Scratch()
    let store = scratch.store()
    _ = try store.prepareServer()
    let error = #expect(throws: CredentialError.self) {
      try store.issue(name: name, role: .reader, to: scratch.path("bundle"))
    }
    #expect(error?.kind == .invalidName)
    #expect(!FileManager.default.fileExists(atPath: scratch.path("bundle")))
  }

  @Test(
    "TLS names cannot smuggle in others",
    arguments: ["a,DNS:b", "", "a..b", "a b", "dirName:x", "*.*.x", "10.0.0.256/8"])
  func tlsNames(_ name: String) throws {
    let scratch = try Scratch()
    let error = #expect(throws: CredentialError.self) { try scratch.store().prepareServer(tlsNames: [name]) }
    #expect(error?.kind == .invalidName)
  }

  @Test("Before the first start there is nothing to issue from")
  func noAuthority() throws {
    let scratch = try Scratch()
    let error = #expect(throws: CredentialError.self) {
      try scratch.store().issue(name: "mara", role: .reader, to: scratch.path("bundle"))
    }
    #expect(error?.kind == .noAuthority)
  }

  @Test("A local-admin that was revoked stays so; with the whole table gone it comes back")
  func localAdminRevoked() throws {
    let scratch = try Scratch()
    let store = scratch.store()
    _ = try store.prepareServer()
    #expect(try store.revoke(name: "local-admin"))
    #expect(try !store.revoke(name: "local-admin"))
    _ = try store.prepareServer()
    #expect(try store.principals()["terrane:principal:local-admin"] == nil)
    try FileManager.default.removeItem(atPath: store.principalsPath)
    _ = try store.prepareServer()
    #expect(try store.principals()["terrane:principal:local-admin"]?.role == .admin)
  }

  @Test("Many issues at once lose no entry")
  func concurrentIssues() async throws {
    let scratch = try Scratch()
    let store = scratch.store()
    _ = try store.prepareServer()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<12 {
        group.addTask { _ = try store.issue(name: "p\(index)", role: .reader, to: scratch.path("b\(index)")) }
      }
      try await group.waitForAll()
    }
    #expect(try store.principals().entries.count == 13)
  }

  @Test("Roles include the lower ones")
  func roles() {
    #expect(Role.allCases.sorted() == [.reader, .editor, .operator, .admin])
  }
}

@Suite("Bearer tokens")
struct TokenTests {
  @Test("A token is in its bundle and nowhere else; what is kept is its hash")
  func onlyTheHashStays() throws {
    let scratch = try Scratch()
    let store = scratch.store()
    _ = try store.prepareServer()
    let file = TokensFile(path: store.tokensPath)
    let bundle = try store.issueToken(name: "robot", role: .editor, lifetime: 86_400, to: scratch.path("robot"))
    let token = try String(contentsOfFile: bundle.token, encoding: .utf8).trimmingCharacters(in: .newlines)
    #expect(token.count == 51)
    #expect(file[token]?.principal == "terrane:principal:robot")
    #expect(file[String(token.dropLast())] == nil)
    #expect(try scratch.mode("robot/token") == 0o600)
    #expect(try scratch.mode("credentials/tokens.json") == 0o600)
    let kept = try String(contentsOfFile: store.tokensPath, encoding: .utf8)
    #expect(!kept.contains(token))
    #expect(kept.contains(Tokens.hash(token)))
    #expect(try store.principals()["terrane:principal:robot"]?.role == .editor)
  }

  @Test("Revoking a principal takes its tokens; an expired one is forgotten when the next is issued")
  func ends() throws {
    let scratch = try Scratch()
    let store = scratch.store()
    _ = try store.prepareServer()
    _ = try store.issueToken(name: "a", role: .reader, lifetime: -1, to: scratch.path("a"))
    _ = try store.issueToken(name: "b", role: .reader, lifetime: 60, to: scratch.path("b"))
    _ = try store.issueToken(name: "b", role: .reader, lifetime: 60, to: scratch.path("b"))
    #expect(try store.tokens().entries.values.map(\.principal) == ["terrane:principal:b", "terrane:principal:b"])
    #expect(try store.revoke(name: "b"))
    #expect(try store.tokens().entries.isEmpty)
  }

  @Test("A folder with a certificate gets no token: whose it is would be in doubt")
  func occupied() throws {
    let scratch = try Scratch()
    let store = scratch.store()
    _ = try store.prepareServer()
    _ = try store.issue(name: "mara", role: .reader, to: scratch.path("mara"))
    #expect(throws: CredentialError.self) {
      try store.issueToken(name: "mara", role: .reader, lifetime: 60, to: scratch.path("mara"))
    }
  }
}

@Suite("The table of principals, as a server reads it")
struct PrincipalsFileTests {
  @Test("Credentials are good from the moment they are issued")
  func newcomer() throws {
    let scratch = try Scratch()
    let store = scratch.store()
    _ = try store.prepareServer()
    let file = PrincipalsFile(path: store.principalsPath, interval: .seconds(3600))
    #expect(file["terrane:principal:mara"] == nil)
    _ = try store.issue(name: "mara", role: .reader, to: scratch.path("mara"))
    #expect(file["terrane:principal:mara"]?.role == .reader)
  }

  @Test("An entry removed is an entry revoked, without a restart")
  func revocation() throws {
    let scratch = try Scratch()
    let store = scratch.store()
    _ = try store.prepareServer()
    let file = PrincipalsFile(path: store.principalsPath, interval: .zero)
    #expect(file["terrane:principal:mara"] == nil)
    _ = try store.issue(name: "mara", role: .operator, to: scratch.path("mara"))
    #expect(file["terrane:principal:mara"]?.role == .operator)
    _ = try store.revoke(name: "mara")
    #expect(file["terrane:principal:mara"] == nil)
    #expect(file["terrane:principal:local-admin"] != nil)
  }

  @Test("A damaged table allows nobody, says so once, and works again when mended")
  func damage() throws {
    let scratch = try Scratch()
    let store = scratch.store()
    _ = try store.prepareServer()
    let good = try Data(contentsOf: URL(fileURLWithPath: store.principalsPath))
    let said = Said()
    let file = PrincipalsFile(path: store.principalsPath, interval: .zero) { _ in said.count += 1 }
    #expect(file["terrane:principal:local-admin"] != nil)
    try Data("{\"terrane:principal:local-admin\": {\"role\": \"emperor\"}}".utf8).write(
      to: URL(fileURLWithPath: store.principalsPath))
    #expect(file["terrane:principal:local-admin"] == nil)
    #expect(file["terrane:principal:local-admin"] == nil)
    #expect(said.count == 1)
    try good.write(to: URL(fileURLWithPath: store.principalsPath))
    #expect(file["terrane:principal:local-admin"] != nil)
    try FileManager.default.removeItem(atPath: store.principalsPath)
    #expect(file["terrane:principal:local-admin"] == nil)
  }

  /// Only touched by the one thread of its test.
  private final class Said: @unchecked Sendable { var count = 0 }
}
