public import Credentials
internal import Datasets
public import FramedRPC

/// Who may do what: a role a method (from the schema's options), a list of namespaces a principal (from principals.json).
public struct Access: Authorizer {
  private let principals: PrincipalsFile

  public init(principals: PrincipalsFile) { self.principals = principals }

  /// The role a method asks for; a method that names none is open to whoever has a certificate or token of ours.
  public func authorize(_ principal: Principal, _ method: MethodDescriptor) throws(RPCError) {
    // A listener that takes tokens lets in connections without a certificate, and nobody calls without either.
    guard !principal.uri.isEmpty else {
      throw RPCError(.unauthenticated, "a client certificate or a bearer token is needed", refused: true)
    }
    guard let name = method.role else { return }
    guard let role = Role(rawValue: name) else {
      throw RPCError(.internal, "method \(method.name) asks for a role there is not: \(name)")
    }
    guard let entry = principals[principal.uri], entry.allows(role) else {
      throw RPCError(
        Problem(
          .permissionDenied, "\(principal.uri) may not call \(method.name): role \(name) is needed",
          details: ["principal": principal.uri, "role": name]))
    }
  }

  /// The principal's namespaces; nil: every one.
  func namespaces(of principal: Principal) -> [String]? {
    guard let entry = principals[principal.uri] else { return [] }
    return entry.namespaces.contains("*") ? nil : entry.namespaces
  }

  /// Throws `PERMISSION_DENIED` where the principal's entry does not name the namespace.
  func check(_ principal: Principal, namespace: String) throws(Problem) {
    if let allowed = namespaces(of: principal), !allowed.contains(namespace) {
      throw Problem(
        .permissionDenied, "\(principal.uri) may not work in namespace '\(namespace)'",
        details: ["principal": principal.uri, "namespace": namespace])
    }
  }
}
