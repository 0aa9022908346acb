/// Emits client and server stubs of services.
public struct SwiftServiceEmitter: Sendable {
  /// The module that is generated.
  public var module: String
  /// Modules of the types that are declared elsewhere.
  public var imports: [String]

  public init(module: String, imports: [String]) {
    self.module = module
    self.imports = imports
  }

  public func emit(_ schema: Schema) -> [GeneratedFile] { [] }
}
