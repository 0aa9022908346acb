/// Files that make up one side of a TLS 1.3 connection. All are PEM.
public struct TLSConfiguration: Sendable, Hashable {
  /// The own certificate followed by its intermediates; `nil` on a client without a certificate.
  public var certificateChainPath: String?
  /// The private key of the own certificate.
  public var privateKeyPath: String?
  /// The authorities the peer's certificate must descend from; the system's authorities are never consulted.
  public var authorityPath: String
  /// Servers: refuse clients without a certificate (the default).
  public var requiresClientCertificate: Bool
  /// Clients: the name the server's certificate must carry; `nil`: the host connected to.
  public var serverName: String?

  /// A server's files.
  public static func server(
    certificateChainPath: String, privateKeyPath: String, authorityPath: String,
    requiresClientCertificate: Bool = true
  ) -> TLSConfiguration {
    TLSConfiguration(
      certificateChainPath: certificateChainPath, privateKeyPath: privateKeyPath, authorityPath: authorityPath,
      requiresClientCertificate: requiresClientCertificate, serverName: nil)
  }

  /// A client's files.
  public static func client(
    certificateChainPath: String? = nil, privateKeyPath: String? = nil, authorityPath: String,
    serverName: String? = nil
  ) -> TLSConfiguration {
    TLSConfiguration(
      certificateChainPath: certificateChainPath, privateKeyPath: privateKeyPath, authorityPath: authorityPath,
      requiresClientCertificate: false, serverName: serverName)
  }
}
