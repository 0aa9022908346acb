public import Foundation

/// The credentials of one installation, in DATA/credentials:
/// ```
/// ca.pem ca.key               the private authority, made once
/// server.pem server.key       what terraned shows
/// local-admin/                the bundle of the command line on this machine: client.pem client.key ca.pem
/// principals.json             who may do what (PrincipalsFile)
/// tokens.json                 hashes of bearer tokens (TokensFile)
/// ```
/// Keys have mode 0600. Every file is replaced whole. Where root writes, files get the directory's owner, so that
/// the server can read what `terrane credentials issue` made.
public struct CredentialStore: Sendable {
  /// DATA/credentials.
  public let directory: String
  let now: @Sendable () -> Date

  static let day: TimeInterval = 86_400
  static let authorityLifetime = 3650 * day
  /// Of clients' certificates.
  static let clientLifetime = 365 * day
  /// Under the 90 days that Mozilla's "modern" configuration asks for; it is renewed without a restart.
  static let serverLifetime = 89 * day
  static let renewalMargin = 30 * day
  /// The principal of local-admin/.
  public static let localAdmin = "local-admin"

  public init(directory: String, now: @escaping @Sendable () -> Date = { Date() }) {
    self.directory = directory
    self.now = now
  }

  /// The paths a TLS server needs.
  public struct ServerCredentials: Sendable, Equatable {
    public var certificate: String
    public var key: String
    public var authority: String
    public var expiry: Date
    /// True where this call made a new certificate.
    public var renewed: Bool
  }

  /// The paths a TLS client needs, as `issue` wrote them.
  public struct Bundle: Sendable, Equatable {
    public var directory: String
    /// URI in the certificate.
    public var principal: String
    public var role: Role
    public var serial: String
    public var expiry: Date

    public var certificate: String { directory + "/client.pem" }
    public var key: String { directory + "/client.key" }
    public var authority: String { directory + "/ca.pem" }
  }

  /// `principals.json` of this store.
  public var principalsPath: String { path("principals.json") }

  /// Makes whatever is missing: the authority, the server's certificate, local-admin. Call it at each start and once a day.
  ///
  /// The server's certificate is made anew when its names change, when it has less than 30 days left, or when it does not
  /// belong to its key or authority.
  /// - Parameter tlsNames: DNS names and addresses beside localhost, 127.0.0.1, ::1 and the host's name.
  public func prepareServer(tlsNames: [String] = []) throws(CredentialError) -> ServerCredentials {
    var names: [TLSName] = []
    for text in ["localhost", "127.0.0.1", "::1", Self.hostName].compactMap({ $0 }) + tlsNames.sorted() {
      guard let name = TLSName(text) else {
        if text == Self.hostName { continue }
        throw CredentialError(.invalidName, "\"\(text)\" is neither a DNS name nor an IP address.")
      }
      if !names.contains(name) { names.append(name) }
    }
    try PrivateFile.makeDirectory(directory, mode: 0o750, owner: directoryOwner)
    let lock = try StoreLock(directory: directory)
    defer { lock.release() }
    let authority = if let present = try loadAuthority() { present } else { try makeAuthority() }
    let server = try prepareServerCertificate(names: names, authority: authority)
    try prepareLocalAdmin(authority: authority)
    return server
  }

  /// Writes a bundle (client.pem, client.key, ca.pem) into `bundleDirectory` and enters the principal in principals.json.
  /// A principal that is there already gets a new certificate, role and namespaces; its older certificates stay valid until
  /// they run out.
  /// - Parameter name: `[a-z0-9][a-z0-9._-]{0,62}`.
  public func issue(
    name: String, role: Role, namespaces: [String] = ["*"], to bundleDirectory: String
  ) throws(CredentialError) -> Bundle {
    guard Principals.isValid(name: name) else { throw Self.badName(name) }
    let (lock, authority) = try lockedAuthority()
    defer { lock.release() }
    try refuseForeign(bundleDirectory, principal: name)
    try PrivateFile.makeDirectory(bundleDirectory, mode: 0o700)
    return try issue(name, role, namespaces, to: bundleDirectory, authority: authority, fileMode: 0o600, owner: nil)
  }

  static func badName(_ name: String) -> CredentialError {
    CredentialError(
      .invalidName,
      "\"\(name)\" cannot be a principal's name: 1 to 63 of a-z, 0-9, '.', '_' and '-', a letter or digit first.")
  }

  /// The store for this process alone, and its authority.
  func lockedAuthority() throws(CredentialError) -> (lock: StoreLock, authority: Authority) {
    guard access(directory, F_OK) == 0 else {
      throw CredentialError(
        .noAuthority, "There are no credentials in \(directory): start terraned once, it makes them.")
    }
    let lock = try StoreLock(directory: directory)
    do throws(CredentialError) {
      guard let authority = try loadAuthority() else {
        throw CredentialError(
          .noAuthority, "\(path("ca.key")) does not exist: start terraned once, it makes the authority.")
      }
      return (lock, authority)
    } catch {
      lock.release()
      throw error
    }
  }

  /// Everyone who may do anything. Empty where there is no file yet.
  public func principals() throws(CredentialError) -> Principals {
    guard let bytes = try PrivateFile.readIfPresent(principalsPath) else { return Principals() }
    return try Principals(json: bytes, path: principalsPath)
  }

  /// Takes a principal out of principals.json: from then on the server refuses its certificates and
  /// tokens. False: it was not in there.
  public func revoke(name: String) throws(CredentialError) -> Bool {
    let lock = try StoreLock(directory: directory)
    defer { lock.release() }
    var principals = try principals()
    guard principals.entries.removeValue(forKey: Principals.uri(of: name)) != nil else { return false }
    try write(principals)
    try dropTokens(of: Principals.uri(of: name))
    return true
  }

  // MARK: -

  typealias Authority = (certificate: Certificate, key: PrivateKey)

  private func path(_ name: String) -> String { directory + "/" + name }

  var directoryOwner: PrivateFile.Owner? { geteuid() == 0 ? PrivateFile.owner(of: directory) : nil }

  private func loadAuthority() throws(CredentialError) -> Authority? {
    guard let key = try PrivateFile.readIfPresent(path("ca.key")) else { return nil }
    let authority = (
      certificate: try Certificate(pem: PrivateFile.read(path("ca.pem")), path: path("ca.pem")),
      key: try PrivateKey(pem: key, path: path("ca.key"))
    )
    guard authority.certificate.belongs(to: authority.key) else {
      throw CredentialError(.damaged, "\(path("ca.key")) is not the key of \(path("ca.pem")).")
    }
    guard authority.certificate.expiry > now() else {
      throw CredentialError(
        .authorityExpired,
        "The authority in \(path("ca.pem")) has run out. Move \(directory) away, start terraned, and issue new credentials."
      )
    }
    return authority
  }

  /// The certificate is written first: a key without one would look like an authority that was lost.
  private func makeAuthority() throws(CredentialError) -> Authority {
    let key = try PrivateKey.generate()
    let certificate = try Certificate.make(
      .authority, commonName: "Terrane private CA", key: key, signedBy: nil, lifetime: Self.authorityLifetime,
      now: now())
    try PrivateFile.write(certificate.pem(), to: path("ca.pem"), mode: 0o644, owner: directoryOwner)
    try PrivateFile.write(key.pem(), to: path("ca.key"), mode: 0o600, owner: directoryOwner)
    return (certificate, key)
  }

  private func prepareServerCertificate(
    names: [TLSName], authority: Authority
  ) throws(CredentialError) -> ServerCredentials {
    let wanted = CertificateProfile.server(names: names)
    let (pem, key) = (path("server.pem"), path("server.key"))
    if let current = usable(pem, key, authority: authority),
      try current.subjectAlternativeNames == wanted.subjectAlternativeNames()
    {
      return ServerCredentials(
        certificate: pem, key: key, authority: path("ca.pem"), expiry: current.expiry, renewed: false)
    }
    let fresh = try PrivateKey.generate()
    let made = try Certificate.make(
      wanted, commonName: "terraned", key: fresh, signedBy: authority, lifetime: Self.serverLifetime, now: now())
    // A stop between the two leaves a pair that does not match, which the next start makes anew.
    try PrivateFile.write(fresh.pem(), to: key, mode: 0o600, owner: directoryOwner)
    try PrivateFile.write(made.pem(), to: pem, mode: 0o644, owner: directoryOwner)
    return ServerCredentials(certificate: pem, key: key, authority: path("ca.pem"), expiry: made.expiry, renewed: true)
  }

  /// The certificate, where it fits its key and authority and has more than the renewal margin left.
  private func usable(_ certificatePath: String, _ keyPath: String, authority: Authority) -> Certificate? {
    guard let certificate = try? Certificate(pem: PrivateFile.read(certificatePath), path: certificatePath),
      let key = try? PrivateKey(pem: PrivateFile.read(keyPath), path: keyPath),
      certificate.belongs(to: key), certificate.isSigned(by: authority.certificate),
      certificate.expiry > now().addingTimeInterval(Self.renewalMargin)
    else { return nil }
    return certificate
  }

  /// For members of group terrane where the server may give files to it, else for the server's user only: its primary group
  /// may be everybody's.
  ///
  /// An administrator who removed local-admin from principals.json meant it: it comes back only with the whole file.
  private func prepareLocalAdmin(authority: Authority) throws(CredentialError) {
    let bundle = path("local-admin")
    let known = FileManager.default.fileExists(atPath: principalsPath)
    let revoked = known ? try principals()[Principals.uri(of: Self.localAdmin)] == nil : false
    let isUsable = usable(bundle + "/client.pem", bundle + "/client.key", authority: authority) != nil
    if revoked || (known && isUsable) { return }
    let user = directoryOwner?.user ?? geteuid()
    let group = getgrnam("terrane").map { $0.pointee.gr_gid }
    try PrivateFile.makeDirectory(bundle, mode: 0o700, owner: directoryOwner)
    let shared = group.flatMap { chown(bundle, user, $0) == 0 ? PrivateFile.Owner(user: user, group: $0) : nil }
    if let shared {
      try PrivateFile.makeDirectory(bundle, mode: 0o750, owner: shared)
      // Members must be able to pass through to it; everything else in there has modes of its own.
      _ = chown(directory, user, shared.group)
    }
    _ = try issue(
      Self.localAdmin, .admin, ["*"], to: bundle, authority: authority, fileMode: shared == nil ? 0o600 : 0o640,
      owner: shared ?? directoryOwner)
  }

  private func issue(
    _ name: String, _ role: Role, _ namespaces: [String], to bundle: String, authority: Authority, fileMode: mode_t,
    owner: PrivateFile.Owner?
  ) throws(CredentialError) -> Bundle {
    let uri = Principals.uri(of: name)
    let key = try PrivateKey.generate()
    let issuedAt = now()
    let certificate = try Certificate.make(
      .client(uri: uri), commonName: name, key: key, signedBy: authority, lifetime: Self.clientLifetime, now: issuedAt)
    let made = Bundle(
      directory: bundle, principal: uri, role: role, serial: certificate.serial, expiry: certificate.expiry)
    var principals = try principals()
    try PrivateFile.write(authority.certificate.pem(), to: made.authority, mode: fileMode, owner: owner)
    try PrivateFile.write(key.pem(), to: made.key, mode: fileMode, owner: owner)
    try PrivateFile.write(certificate.pem(), to: made.certificate, mode: fileMode, owner: owner)
    principals.entries[uri] = PrincipalEntry(
      role: role, namespaces: namespaces, issuedAt: issuedAt, serial: made.serial, expiresAt: made.expiry)
    try write(principals)
    return made
  }

  func write(_ principals: Principals) throws(CredentialError) {
    try PrivateFile.write(principals.json(), to: principalsPath, mode: 0o600, owner: directoryOwner)
  }

  /// A bundle is never overwritten by that of another principal.
  private func refuseForeign(_ bundle: String, principal name: String) throws(CredentialError) {
    let present = bundle + "/client.pem"
    guard let bytes = try PrivateFile.readIfPresent(present) else { return }
    let same = try Certificate(pem: bytes, path: present).subjectAlternativeNames
    guard try same == CertificateProfile.client(uri: Principals.uri(of: name)).subjectAlternativeNames() else {
      throw CredentialError(.occupied, "\(bundle) holds the credentials of another principal.")
    }
  }

  private static var hostName: String? {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, name.count - 1) == 0 else { return nil }
    let text = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    return text.isEmpty ? nil : text
  }
}

/// One writer at a time, over all processes: `terrane credentials issue` beside a starting server.
struct StoreLock {
  private let descriptor: Int32

  init(directory: String) throws(CredentialError) {
    let path = directory + "/.lock"
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw .system("lock", path) }
    if geteuid() == 0, let owner = PrivateFile.owner(of: directory) { _ = fchown(descriptor, owner.user, owner.group) }
    while flock(descriptor, LOCK_EX) != 0 {
      guard errno == EINTR else { throw .system("lock", path) }
    }
  }

  func release() { close(descriptor) }
}
