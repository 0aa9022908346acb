internal import FramedCore
internal import FramedMessages
internal import Glibc

/// Who makes the calls of one connection: whom its certificate names, or whom a call's token stands for.
final class Callers {
  struct Caller {
    var principal: Principal
    /// Seconds since 1970; `nil`: as long as the connection's certificate.
    var expiry: Int64?
  }

  /// Of the certificate.
  var principal = Principal.anonymous
  /// The token seen last: a connection shows the same one again and again.
  private var last: (authorization: [UInt8], identity: TokenIdentity)?

  static let key = "authorization"

  /// Throws how the call ends where its token is not good. `tokens`: nil where none are looked at.
  @inline(__always)
  func caller(of meta: CallMeta, _ tokens: (any TokenVerifier)?) throws(EndStatus) -> Caller {
    guard let tokens, !meta.metadata.isEmpty else { return Caller(principal: principal) }
    return try shown(meta, tokens)
  }

  private func shown(_ meta: CallMeta, _ tokens: any TokenVerifier) throws(EndStatus) -> Caller {
    guard let shown = meta.metadata.first(where: { $0.key == Self.key })?.value else {
      return Caller(principal: principal)
    }
    if let last, last.authorization == shown, !Self.isOver(last.identity.expiry) {
      return Caller(principal: last.identity.principal, expiry: last.identity.expiry)
    }
    guard let token = Self.token(shown), let identity = tokens.identity(of: token), !Self.isOver(identity.expiry) else {
      last = nil
      throw EndStatus(
        .unauthenticated, "the token is not good, or no longer", details: [.errorInfo("TOKEN_INVALID")], refused: true)
    }
    last = (shown, identity)
    return Caller(principal: identity.principal, expiry: identity.expiry)
  }

  private static func token(_ authorization: [UInt8]) -> String? {
    let text = String(decoding: authorization, as: UTF8.self)
    guard text.count > 7, text.prefix(7).lowercased() == "bearer " else { return nil }
    return String(text.dropFirst(7))
  }

  private static func isOver(_ expiry: Int64?) -> Bool { expiry.map { $0 <= now } ?? false }

  /// Seconds since 1970.
  static var now: Int64 {
    var wall = timespec()
    clock_gettime(CLOCK_REALTIME, &wall)
    return Int64(wall.tv_sec)
  }
}
