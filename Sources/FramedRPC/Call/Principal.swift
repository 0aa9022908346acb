/// Who calls: the URI in the client certificate's subject alternative name, or whom the call's bearer token stands for.
public struct Principal: Sendable, Hashable {
  /// `terrane://role/admin/name/local-admin` and the like; empty when the listener takes clients without certificates.
  public let uri: String

  public init(uri: String) {
    self.uri = uri
  }

  /// A caller without a certificate or token.
  public static let anonymous = Principal(uri: "")
}

/// Whom a bearer token stands for.
public struct TokenIdentity: Sendable, Hashable {
  public let principal: Principal
  /// Seconds since 1970 after which it stands for nobody; `nil`: never.
  public let expiry: Int64?

  public init(principal: Principal, expiry: Int64?) {
    self.principal = principal
    self.expiry = expiry
  }
}

/// Knows bearer tokens. Asked on the connection's event loop when a connection shows a token it has not shown before: it must
/// answer from memory.
public protocol TokenVerifier: Sendable {
  /// `nil`: the token is not good.
  func identity(of token: String) -> TokenIdentity?
}

/// Decides whether a principal may call a method. Asked once per call, on the connection's event loop, before the
/// handler and before the request is decoded: it must answer from memory.
public protocol Authorizer: Sendable {
  /// Throws the error the caller is to see, normally ``StatusCode/permissionDenied`` or ``StatusCode/unauthenticated``.
  func authorize(_ principal: Principal, _ method: MethodDescriptor) throws(RPCError)
}

/// Lets everyone with a valid certificate call everything.
public struct AllowAll: Authorizer {
  public init() {}
  public func authorize(_ principal: Principal, _ method: MethodDescriptor) throws(RPCError) {}
}
