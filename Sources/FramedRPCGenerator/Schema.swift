/// A schema as the emitters see it: everything resolved, nothing of protoc's own types.
public struct Schema: Sendable, Equatable {
  /// The files to generate, in the order protoc named them.
  public var files: [SchemaFile]

  public init(files: [SchemaFile]) {
    self.files = files
  }
}

/// A generated file: its path below the output folder, and its text.
public struct GeneratedFile: Sendable, Equatable {
  public var path: String
  public var text: String

  public init(path: String, text: String) {
    self.path = path
    self.text = text
  }
}

/// One `.proto` file.
public struct SchemaFile: Sendable, Equatable {
  /// As protoc knows it: `terrane/v1/dataset.proto`.
  public var path: String
  /// `terrane.v1`
  public var package: String
  /// Paths of the files it imports.
  public var imports: [String]
  public var messages: [SchemaMessage]
  public var enums: [SchemaEnum]
  public var services: [SchemaService]
}

/// The name of a message or enum, with where it is declared.
public struct SchemaTypeName: Sendable, Hashable {
  /// `terrane.v1.DatasetSpec.Visibility`
  public var full: String
  /// The names from the outermost message inwards: `["DatasetSpec", "Visibility"]`.
  public var path: [String]
  /// The package: `terrane.v1`.
  public var package: String
  /// Path of the `.proto` file that declares it.
  public var file: String
}

public struct SchemaMessage: Sendable, Equatable {
  public var name: SchemaTypeName
  /// Of the declaration, one line an element, without comment marks.
  public var documentation: [String]
  /// In declaration order.
  public var fields: [SchemaField]
  /// The oneofs a user wrote; those behind `optional` are left out.
  public var oneofs: [SchemaOneof]
  /// Nested messages, without the entries of maps.
  public var messages: [SchemaMessage]
  public var enums: [SchemaEnum]
}

public struct SchemaOneof: Sendable, Equatable {
  public var name: String
  public var documentation: [String]
}

public struct SchemaField: Sendable, Equatable {
  public var name: String
  public var number: Int
  public var documentation: [String]
  /// Of the value; of the value of an entry where the field is a map.
  public var type: SchemaType
  public var shape: SchemaShape
  /// Whether a message of this type can hold, through singular fields only, another one of its kind.
  public var isRecursive: Bool
}

public enum SchemaShape: Sendable, Equatable {
  /// A scalar or enum whose default is its absence, or a message that may be absent.
  case singular
  /// A scalar or enum marked `optional`.
  case optional
  case repeated
  case map(key: SchemaScalar)
  /// A member of the message's n-th oneof.
  case member(oneof: Int)
}

public enum SchemaType: Sendable, Equatable {
  case scalar(SchemaScalar)
  case enumeration(SchemaTypeName)
  case message(SchemaTypeName)
}

public enum SchemaScalar: String, Sendable, Equatable {
  case double, float, int32, int64, uint32, uint64, sint32, sint64, fixed32, fixed64, sfixed32, sfixed64
  case bool, string, bytes
}

public struct SchemaEnum: Sendable, Equatable {
  public var name: SchemaTypeName
  public var documentation: [String]
  /// In declaration order, without aliases.
  public var values: [SchemaEnumValue]
}

public struct SchemaEnumValue: Sendable, Equatable {
  public var name: String
  public var number: Int32
  public var documentation: [String]
}

public struct SchemaService: Sendable, Equatable {
  /// `terrane.v1.DatasetService`
  public var fullName: String
  public var name: String
  public var documentation: [String]
  public var methods: [SchemaMethod]
}

public struct SchemaMethod: Sendable, Equatable {
  public var name: String
  public var documentation: [String]
  public var request: SchemaTypeName
  public var response: SchemaTypeName
  public var options: SchemaMethodOptions
}

/// `framedrpc.v1.MethodOptions`.
public struct SchemaMethodOptions: Sendable, Equatable {
  public enum StreamMode: Int, Sendable {
    case none, latest, queue, block
  }
  public enum Idempotency: Int, Sendable {
    case unspecified, idempotent, requestID
  }
  public var stream = StreamMode.none
  public var key = ""
  /// The number of the field that ``key`` names.
  public var keyNumber: Int32 = 0
  public var idempotency = Idempotency.unspecified
  public var role = ""
  public var defaultTimeoutMilliseconds: UInt32 = 0
  public var reasons: [String] = []
  public var queueSize: UInt32 = 0

  public init() {}
}

/// Why a schema or the plugin's options cannot be generated from; protoc shows it to its user.
public struct GenerationError: Error, Sendable, Equatable, CustomStringConvertible {
  public var description: String

  public init(_ description: String) {
    self.description = description
  }
}
