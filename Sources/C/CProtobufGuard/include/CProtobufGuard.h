#pragma once
#include "arena.h"
#include "guard.h"
