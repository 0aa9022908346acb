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
  var client_certificate_required: Bool?
  var limits: Limits?

  var server: ServerConfiguration {
    var server = ServerConfiguration(
      port: 0,
      tls: .server(
        certificateChainPath: credentials.certificate, privateKeyPath: credentials.key,
        authorityPath: credentials.authority, requiresClientCertificate: client_certificate_required ?? true))
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

/// A line that comes later.
struct Command: Decodable {
  /// Drain within so long; `{"drained": true}` is answered when no connection is left.
  var drain_ms: Int?
}
