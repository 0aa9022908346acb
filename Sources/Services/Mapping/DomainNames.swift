internal import CoreMachine

/// CoreMachine's states under a name of their own: the schema has states called the same.
typealias EngineOperationState = OperationState
