
:
xPlaceholder*
dtype0*
shape:
J
y/reduction_indicesConst*
dtype0*
valueB:
ÿÿÿÿÿÿÿÿÿ
F
yMaxxy/reduction_indices*

Tidx0*
T0*
	keep_dims("ª