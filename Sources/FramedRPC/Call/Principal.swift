/// Who calls: the URI in the client certificate's subject alternative name.
public struct Principal: Sendable, Hashable {
  /// `terrane://role/admin/name/local-admin` and the like; empty when the listener takes clients without certificates.
  public let uri: String

  public init(uri: String) {
    self.uri = uri
  }

  /// A caller without a certificate.
  public static let anonymous = Principal(uri: "")
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
