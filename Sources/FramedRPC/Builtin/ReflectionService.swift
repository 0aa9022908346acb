internal import FramedCore
internal import FramedMessages

/// The methods of `framedrpc.v1.ReflectionService`.
public enum ReflectionMethods {
  public static let getSchema = MethodDescriptor(
    name: "framedrpc.v1.ReflectionService/GetSchema", idempotency: .idempotent)
}

/// `framedrpc.v1.ReflectionService`: what a server offers, for clients that do not know its schema.
public struct ReflectionService: RPCService {
  private let answer: GetSchemaResponse

  /// - Parameters:
  ///   - services: full names.
  ///   - fileDescriptorSet: a serialized `google.protobuf.FileDescriptorSet` that describes them; files after those they import.
  public init(services: [String], fileDescriptorSet: [UInt8]) {
    answer = GetSchemaResponse(services: services.sorted(), fileDescriptorSet: fileDescriptorSet)
  }

  public func register(with router: inout RPCRouter) {
    let answer = answer
    router.unarySync(ReflectionMethods.getSchema, GetSchemaRequest.self, GetSchemaResponse.self) { _, _ in answer }
  }
}
