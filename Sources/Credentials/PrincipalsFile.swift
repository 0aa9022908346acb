/// `principals.json` as a server reads it: again whenever it changed, so that an entry removed there is revoked here.
///
/// A file that is gone or cannot be understood allows nobody.
public final class PrincipalsFile: Sendable {
  private let file: WatchedFile<Principals>
  public var path: String { file.path }

  /// - Parameters:
  ///   - interval: the file is looked at when asked, but not more often than this.
  ///   - onDamage: called once for each state of the file that cannot be read.
  public init(
    path: String, interval: Duration = .milliseconds(250),
    onDamage: @escaping @Sendable (CredentialError) -> Void = { _ in }
  ) {
    file = WatchedFile(path: path, interval: interval, empty: Principals(), onDamage: onDamage) {
      bytes throws(CredentialError) in
      try Principals(json: bytes, path: path)
    }
  }

  /// The entry of the principal with this URI; nil: it may do nothing. Whoever is not known is looked up in the file as it is:
  /// credentials are good from the moment they are issued.
  public subscript(uri: String) -> PrincipalEntry? { current[uri] ?? file.newest[uri] }

  /// All entries, as of `interval` ago or later.
  public var current: Principals { file.current }
}
