import Foundation
import FramedRPC

/// What the runner writes to standard input first, as one line of JSON.
struct Configuration: Decodable {
  struct Credentials: Decodable {
    var certificate: String
    var key: String
    var authority: String
  }

  struct Limits: Decodable {
    var max_message: Int?
    var max_streams: Int?
    var initial_credit: Int?
    var max_timeout_ms: Int?
    var idle_close_ms: Int?
    var min_ping_ms: Int?
    var ping_silence_ms: Int?
    var ping_timeout_ms: Int?
    var drain_grace_ms: Int?
    /// 0: nothing is counted.
    var abuse_tokens: Int?
  }

  var credentials: Credentials
  /// Bearer tokens that are good; where there are any, a certificate is not required.
  struct Token: Decodable {
    var token: String
    var principal: String
    var expires_in_ms: Int64?
  }
  var tokens: [Token]?
  /// A further listener, for processes of this user.
  var unix_socket: String?
  var limits: Limits?

  var server: ServerConfiguration {
    var server = ServerConfiguration(
      port: 0,
      tls: .server(
        certificateChainPath: credentials.certificate, privateKeyPath: credentials.key,
        authorityPath: credentials.authority, requiresClientCertificate: tokens == nil))
    if let unix_socket {
      server.unixSocket = UnixSocket(path: unix_socket) {
        $0.uid == geteuid() ? "framedrpc://conformance/process" : nil
      }
    }
    if let tokens { server.tokens = KnownTokens(tokens) }
    guard let limits else { return server }
    if let value = limits.max_message { server.limits.maxMessage = value }
    if let value = limits.max_streams { server.limits.maxStreams = value }
    if let value = limits.initial_credit { server.limits.initialCredit = value }
    if let value = limits.max_timeout_ms { server.limits.maxTimeout = .milliseconds(value) }
    if let value = limits.idle_close_ms { server.limits.idleClose = .milliseconds(value) }
    if let value = limits.min_ping_ms { server.limits.minPing = .milliseconds(value) }
    if let value = limits.ping_silence_ms { server.limits.pingSilence = .milliseconds(value) }
    if let value = limits.ping_timeout_ms { server.limits.pingTimeout = .milliseconds(value) }
    if let value = limits.drain_grace_ms { server.limits.drainGrace = .milliseconds(value) }
    if let value = limits.abuse_tokens { server.limits.abuseTokens = value == 0 ? nil : value }
    return server
  }
}

/// The tokens of the configuration.
struct KnownTokens: TokenVerifier {
  private let identities: [String: TokenIdentity]

  init(_ tokens: [Configuration.Token]) {
    let now = Int64(Date().timeIntervalSince1970)
    identities = Dictionary(
      uniqueKeysWithValues: tokens.map { entry in
        // Seconds, as certificates have.
        let expiry = entry.expires_in_ms.map { now + ($0 + 999) / 1_000 }
        return (entry.token, TokenIdentity(principal: Principal(uri: entry.principal), expiry: expiry))
      })
  }

  func identity(of token: String) -> TokenIdentity? { identities[token] }
}

/// A line that comes later.
struct Command: Decodable {
  /// Drain within so long; `{"drained": true}` is answered when no connection is left.
  var drain_ms: Int?
}
