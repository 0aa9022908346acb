public import Foundation

extension CredentialStore {
  /// The paths of a client that comes with a token in place of a certificate.
  public struct TokenBundle: Sendable, Equatable {
    public var directory: String
    public var principal: String
    public var role: Role
    public var expiry: Date

    /// The token, readable by its owner only.
    public var token: String { directory + "/token" }
    public var authority: String { directory + "/ca.pem" }
  }

  /// `tokens.json` of this store.
  public var tokensPath: String { directory + "/tokens.json" }

  /// Writes a bundle (token, ca.pem) into `bundleDirectory` and enters the principal in principals.json. A principal that is
  /// there already gets a further token, and the role and namespaces said now.
  ///
  /// Only the token's hash stays here.
  /// - Parameter lifetime: seconds.
  public func issueToken(
    name: String, role: Role, namespaces: [String] = ["*"], lifetime: TimeInterval, to bundleDirectory: String
  ) throws(CredentialError) -> TokenBundle {
    guard Principals.isValid(name: name) else { throw Self.badName(name) }
    let (lock, authority) = try lockedAuthority()
    defer { lock.release() }
    guard access(bundleDirectory + "/client.pem", F_OK) != 0 else {
      throw CredentialError(.occupied, "\(bundleDirectory) holds a certificate: a token needs a folder of its own.")
    }
    try PrivateFile.makeDirectory(bundleDirectory, mode: 0o700)
    let issuedAt = now()
    let made = TokenBundle(
      directory: bundleDirectory, principal: Principals.uri(of: name), role: role,
      expiry: issuedAt.addingTimeInterval(lifetime))
    let token = Tokens.make()
    var tokens = try tokens()
    tokens.entries = tokens.entries.filter { $0.value.expiresAt > issuedAt }
    tokens.entries[Tokens.hash(token)] = TokenEntry(
      principal: made.principal, issuedAt: issuedAt, expiresAt: made.expiry)
    var principals = try principals()
    principals.entries[made.principal] = PrincipalEntry(
      role: role, namespaces: namespaces, issuedAt: issuedAt, serial: "token", expiresAt: made.expiry)
    try PrivateFile.write(authority.certificate.pem(), to: made.authority, mode: 0o600)
    try PrivateFile.write(Array(token.utf8) + [UInt8(ascii: "\n")], to: made.token, mode: 0o600)
    try PrivateFile.write(tokens.json(), to: tokensPath, mode: 0o600, owner: directoryOwner)
    try write(principals)
    return made
  }

  /// Empty where there is no file yet.
  public func tokens() throws(CredentialError) -> Tokens {
    guard let bytes = try PrivateFile.readIfPresent(tokensPath) else { return Tokens() }
    return try Tokens(json: bytes, path: tokensPath)
  }

  /// Forgets every token of a principal; the store is locked.
  func dropTokens(of principal: String) throws(CredentialError) {
    var tokens = try tokens()
    let before = tokens.entries.count
    tokens.entries = tokens.entries.filter { $0.value.principal != principal }
    guard tokens.entries.count < before else { return }
    try PrivateFile.write(tokens.json(), to: tokensPath, mode: 0o600, owner: directoryOwner)
  }
}
